"""The words of the drawings (scripts.drawings) in Finnish and Swedish, by the English ones."""

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "street": {
        "fi": "katu",
        "sv": "gata",
    },
    "shop": {
        "fi": "myymälä",
        "sv": "butik",
    },
    "from the side: 3 cm is a quarter of the wave": {
        "fi": "sivulta: 3 cm on neljännes aallosta",
        "sv": "från sidan: 3 cm är en fjärdedels våg",
    },
    "Plan, seen from above; heights are those of the antennas.": {
        "fi": "Pohjapiirros ylhäältä; korkeudet ovat antennien.",
        "sv": "Plan, sedd uppifrån; höjderna är antennernas.",
    },
    "One adapter": {
        "fi": "Yksi sovitin",
        "sv": "En adapter",
    },
    "Two adapters: inside and door": {
        "fi": "Kaksi sovitinta: sisällä ja ovella",
        "sv": "Två adaptrar: inne och vid dörren",
    },
    "The pair back to back, and the gateway inside": {
        "fi": "Antennipari selät vastakkain, ja yhdyskäytävä sisällä",
        "sv": "Paret rygg mot rygg, och gatewayen inne",
    },
    "Low-E glass: the pane is the plate": {
        "fi": "Selektiivilasi: ruutu on levy",
        "sv": "Energiglas (low-E): rutan är plåten",
    },
    "Mall front: open, no door": {
        "fi": "Kauppakeskuksen julkisivu: avoin, ei ovea",
        "sv": "Butiksfront i galleria: öppen, ingen dörr",
    },
    "The gateway by the till, 2.4 m high, away from metal and from the window.": {
        "fi": "Yhdyskäytävä kassan luona, 2,4 m korkealla, kaukana metallista ja ikkunasta.",
        "sv": "Gatewayen vid kassan, 2,4 m högt, bort från metall och fönster.",
    },
    "Finds fewest, and latest: it cannot tell the sides.": {
        "fi": "Löytää vähiten ja myöhimmin: ei erota puolia.",
        "sv": "Hittar minst, och senast: den skiljer inte sidorna åt.",
    },
    "The gateway as before.": {
        "fi": "Yhdyskäytävä kuten edellä.",
        "sv": "Gatewayen som förut.",
    },
    "The second one beside the door, inside, 2.2 m high, on a USB cable or as a satellite.": {
        "fi": ("Toinen oven vieressä sisällä, 2,2 m korkealla, USB-kaapelilla tai satelliittina."),
        "sv": ("Den andra bredvid dörren, inne, 2,2 m högt, på en USB-kabel eller som satellit."),
    },
    "Recommended. A plate of metal in the plane of the front, beside or above the door, "
    "2.2 m high, 30 × 30 cm or more.": {
        "fi": (
            "Suositus. Metallilevy julkisivun tasossa, oven vieressä tai yllä, 2,2 m "
            "korkealla, vähintään 30 × 30 cm."
        ),
        "sv": (
            "Rekommenderas. En metallplåt i frontens plan, bredvid eller ovanför dörren, "
            "2,2 m högt, minst 30 × 30 cm."
        ),
    },
    "Coated glass takes 20–30 dB: the pane is the plate.": {
        "fi": "Pinnoitettu lasi vaimentaa 20–30 dB: ruutu on levy.",
        "sv": "Belagt glas dämpar 20–30 dB: rutan är plåten.",
    },
    "One antenna on each side of the pane, 3 cm off it. The outer one must hang outside, "
    "under the eaves.": {
        "fi": (
            "Antenni ruudun kummallekin puolelle, 3 cm siitä. Ulomman on oltava ulkona, "
            "räystään alla."
        ),
        "sv": (
            "En antenn på var sida om rutan, 3 cm från den. Den yttre måste sitta "
            "utanför, under takfoten."
        ),
    },
    "Who looks in at the open door is as loud as ever: walk that one with care.": {
        "fi": (
            "Avoimesta ovesta kurkistava kuuluu yhtä voimakkaana kuin ennen: kävele se huolella."
        ),
        "sv": (
            "Den som tittar in genom den öppna dörren hörs lika starkt som förut: gå den noggrant."
        ),
    },
    "No door and no glass: two pairs, hung from the lintel at a third of the opening "
    "each, 2.5 m high.": {
        "fi": (
            "Ei ovea eikä lasia: kaksi paria yläpalkissa, kumpikin kolmanneksen päässä "
            "aukon reunasta, 2,5 m korkealla."
        ),
        "sv": (
            "Ingen dörr och inget glas: två par hängda i överstycket, vart och ett en "
            "tredjedel in i öppningen, 2,5 m högt."
        ),
    },
    "Plates of 60 × 60 cm: here they alone make the side.": {
        "fi": "Levyt 60 × 60 cm: täällä vain ne tekevät puolieron.",
        "sv": "Plåtar på 60 × 60 cm: här ger bara de sidoskillnad.",
    },
    "Two at `door`, two at `outside`: a place may have several antennas.": {
        "fi": (
            "Kaksi paikassa `door`, kaksi paikassa `outside`: paikalla voi olla useita antenneja."
        ),
        "sv": "Två på `door`, två på `outside`: en plats kan ha flera antenner.",
    },
}
