"""From the files of a signed list into its store: a whole base, or a delta; what is not understood
is left out, and takes all of its ref with it.
"""

import numpy as np

from presence.core.consent.list_changes import Put
from presence.core.consent.manifest import Manifest
from presence.core.consent.segments import LENGTHS, REFS, DeltaStep
from presence.edges.consent_list.changing import Changing
from presence.edges.consent_list.files import ListFiles
from presence.edges.consent_list.repository import Proof
from presence.edges.consent_list.rows import RecordJudge


class Loader:
    """For one list, as this manifest has it."""

    def __init__(
        self, files: ListFiles, proof: Proof, manifest: Manifest, records: RecordJudge
    ) -> None:
        self._files = files
        self._proof = proof
        self._manifest = manifest
        self._records = records

    def base(self, changing: Changing) -> None:
        """Raises ConsentListError, DamagedSegment, OSError."""
        changing.begin_base()
        for shard in self._manifest.shards:
            path, segment = self._files.base(self._proof, shard, self._manifest)
            refs = np.frombuffer(segment.refs, REFS).astype(np.uint64)
            lengths = np.frombuffer(segment.lengths, LENGTHS).astype(np.uint32)
            for rows in self._records.base(path, refs, lengths, segment.records):
                changing.put_base(*rows)
        changing.end_base()

    def delta(self, step: DeltaStep, changing: Changing) -> None:
        """Raises ConsentListError, DamagedSegment."""
        path, segment = self._files.delta(self._proof, step, self._manifest)
        ambiguous: set[bytes] = set()
        for change in segment.changes():
            if isinstance(change, Put) and not self._records.accepts(path, change.record):
                ambiguous.add(change.ref)
            else:
                changing.apply(change)
        # After all changes: a refusal takes the whole ref, whichever of its rows came last.
        for ref in ambiguous:
            changing.refuse(ref)
