// The golden events, read by this client, by CloudEvents' SDK and by ajv; and docs/asyncapi.yaml, by AsyncAPI's own parser.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Parser } from '@asyncapi/parser';
import { MQTT, CloudEvent } from 'cloudevents';
import {
  NotInContract, SCHEMAS, SubjectTable, faults, readCustomers, readEvent, readTime, subject, type Offer,
} from '../src/index.js';

const root = new URL('../../../../', import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const KINDS = ['entered', 'left', 'withdrawn'] as const;
const golden = (kind: string): any => JSON.parse(text(`tests/vectors/event-${kind}.json`));
const ID = 'urn:presence:schema:';

for (const kind of KINDS) {
  test(`the golden ${kind} is read, and padded too`, () => {
    const event = readEvent(JSON.stringify(golden(kind)));
    assert.equal(event.type, `presence.${kind}.v1`);
    assert.deepEqual(readEvent(Buffer.from(JSON.stringify(golden(kind)).padEnd(2048))), event);
    assert.deepEqual(faults(event.data, event.dataschema), [], 'dataschema names the schema of data');
  });

  test(`the golden ${kind} goes through CloudEvents' SDK, and what that writes is of the contract still`, () => {
    const message: any = {
      headers: {}, PUBLISH: {}, body: JSON.stringify(golden(kind)), payload: JSON.stringify(golden(kind)),
      'Content Type': 'application/cloudevents+json; charset=utf-8',
    };
    message.PUBLISH = { 'Content Type': message['Content Type'] };
    message.headers = { 'content-type': message['Content Type'] };
    assert.ok(MQTT.isEvent(message));
    const event = MQTT.toEvent(message) as CloudEvent<unknown>;
    assert.ok(event.validate());
    assert.deepEqual(readEvent(JSON.stringify(event)).data, golden(kind).data);
  });

  test(`a later minor of ${kind} with extensions is taken`, () => {
    const later = golden(kind);
    Object.assign(later, { dataschema: `${ID}${kind}-1.7`, traceparent: '00-0af7-b7ad-01', partitionkey: later.subject });
    later.data.language = 'fi';
    assert.equal((readEvent(JSON.stringify(later)) as any).traceparent, '00-0af7-b7ad-01');
  });
}

test('what is no event of v1 is refused without a word of it', () => {
  for (const change of [{ type: 'presence.entered.v2' }, { subject: 'anna@example.com' }, { time: '2026-02-30T14:05:00Z' }, { data_base64: 'aGVq' }])
    assert.throws(
      () => readEvent(JSON.stringify({ ...golden('entered'), ...change })),
      (error: Error) => error instanceof NotInContract && !Object.values(change).some((value) => error.message.includes(value)),
    );
  for (const nonsense of ['', '{', '[]', 'null', '7']) assert.throws(() => readEvent(nonsense), NotInContract);
});

test('a time is read in every spelling of RFC 3339', () => {
  const wanted = Date.UTC(2026, 10, 23, 14, 5);
  for (const spelling of ['2026-11-23T14:05:00Z', '2026-11-23t14:05:00.000z', '2026-11-23T16:05:00+02:00', '2026-11-23T14:04:60Z'])
    assert.equal(readTime(spelling), wanted, spelling);
});

test('subjects are those of the guide, which openssl made', () => {
  const rows = [...text('docs/offer-engine.md').matchAll(/\| `([0-9a-f]{32})` \| `([0-9a-z-]+)` \| `(p_.{22})` \|/g)];
  assert.equal(rows.length, 5);
  for (const [, key, day, wanted] of rows) assert.equal(subject(Buffer.from(key!, 'hex'), day!), wanted);
  const table = new SubjectTable(readCustomers(`{"customer": "Anna", "pairwise_key": "${rows[0]![1]}"}\n`));
  const noon = Date.UTC(2026, 10, 23, 12);
  for (const row of rows.slice(0, 4)) assert.equal(table.customer(row[3]!, noon), 'Anna');
  assert.equal(table.customer(rows[4]![3]!, noon), undefined);
  assert.equal(table.customer(rows[0]![3]!, noon + 2 * 86_400_000), undefined);
});

test('every example of the schemas is taken', () => {
  for (const [id, schema] of Object.entries(SCHEMAS))
    for (const example of (schema as { examples: unknown[] }).examples) assert.deepEqual(faults(example, id), []);
});

test('an offer has a category, and a word of service has none', () => {
  const offer: Offer = (SCHEMAS[`${ID}offer-1.0`] as { examples: Offer[] }).examples[0]!;
  const { category, ...word } = { ...offer, purpose: 'service' as const };
  assert.deepEqual(faults(word, `${ID}offer-1.0`), []);
  assert.notDeepEqual(faults({ ...word, category }, `${ID}offer-1.0`), []);
  assert.notDeepEqual(faults({ ...word, purpose: 'offers' }, `${ID}offer-1.0`), []);
});

test("AsyncAPI's parser has nothing against the contract, and no message or schema is anonymous", async () => {
  const { document, diagnostics } = await new Parser().parse(text('docs/asyncapi.yaml'));
  assert.deepEqual(diagnostics.filter((each) => each.severity < 2).map((each) => each.message), []);
  assert.ok(document);
  assert.equal(document.channels().all().length, 9);
  for (const message of document.messages().all()) assert.ok(message.examples().all().length || message.json()['x-examples-in-hex'], message.id());
});
