// The contract for engines: what gateways publish, read into types, and whose subject it is. How to build on it:
// docs/offer-engine.md; the same in Python: presence/contract.
import { createHmac } from 'node:crypto';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { SCHEMAS } from './schemas.js';
import type { EnteredEvent, LeftEvent, WithdrawnEvent } from './types.js';

export * from './types.js';
export { SCHEMAS };
export type PresenceEvent = EnteredEvent | LeftEvent | WithdrawnEvent;

/** A message that is none of the contract, or not as its schema wants it. The text names the place, never a value. */
export class NotInContract extends Error {}

const ajv = new Ajv2020({ strict: true, allErrors: true, schemas: SCHEMAS });
// Leap seconds and all: the pattern in the schemas decides what a time is, readTime what it means.
ajv.addFormat('date-time', true);

/** What the schema of this id (`urn:presence:schema:…`) has against the value, each with its place. */
export function faults(value: unknown, schemaId: string): string[] {
  const validate = ajv.getSchema(schemaId);
  if (!validate) throw new Error(`no schema ${schemaId}`);
  return validate(value) ? [] : (validate.errors ?? []).map((e: ErrorObject) => `$${e.instancePath}: ${e.keyword}`);
}

/** The event of a message; throws NotInContract where it is none of v1. Later minors and extensions are taken. */
export function readEvent(payload: Uint8Array | string): PresenceEvent {
  let value: { type?: unknown; time: string; data: { valid_until?: string } };
  try {
    value = JSON.parse(typeof payload === 'string' ? payload : new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    throw new NotInContract('no JSON');
  }
  const kind = /^presence\.(entered|left|withdrawn)\.v1$/.exec(String(value?.type))?.[1];
  if (!kind) throw new NotInContract('no event of v1');
  const found = faults(value, `urn:presence:schema:${kind}-event-1.0`);
  if (found.length) throw new NotInContract(found.join('; '));
  for (const text of [value.time, value.data.valid_until ?? value.time]) readTime(text);
  return value as unknown as PresenceEvent;
}

/** Milliseconds since 1970 of a time in any spelling of RFC 3339; throws NotInContract where it is none. */
export function readTime(text: string): number {
  const upper = text.toUpperCase();
  const leap = upper.slice(16, 19) === ':60';
  const moment = Date.parse(leap ? `${upper.slice(0, 17)}59${upper.slice(19)}` : upper);
  const day = Number(upper.slice(8, 10)); // Date takes 30 February for 2 March
  const last = new Date(Date.UTC(Number(upper.slice(0, 4)), Number(upper.slice(5, 7)), 0)).getUTCDate();
  if (Number.isNaN(moment) || day > last) throw new NotInContract('a time that is none');
  return moment + (leap ? 1000 : 0);
}

/** By which CloudEvents tells events apart: a second one is a copy. */
export const keyOf = (source: string, id: string): string => `${source} ${id}`;

/** `p_` and 22 characters. `day`: `YYYY-MM-DD` in UTC, or `stable` for customers who agreed to profiling. */
export function subject(pairwiseKey: Uint8Array, day: string): string {
  const digest = createHmac('sha256', pairwiseKey).update(`presence subject v1\0${day}`).digest();
  return 'p_' + digest.subarray(0, 16).toString('base64url');
}

/** Name → pairwise key, from lines of `{"customer": "any", "pairwise_key": "<hex>"}`. */
export function readCustomers(lines: string): Map<string, Buffer> {
  const values = lines.split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line));
  return new Map(values.map((value) => [String(value.customer), Buffer.from(value.pairwise_key, 'hex')]));
}

/** One's own customers by the subjects that they may have now. Keep it to yourself. */
export class SubjectTable {
  #customers: Map<string, Uint8Array>;
  #day = '';
  #names = new Map<string, string>();

  constructor(customers: Map<string, Uint8Array>) {
    this.#customers = customers;
  }

  /** Your name for the subject of an event: of yesterday, today, tomorrow or `stable`. */
  customer(of: string, nowMs: number): string | undefined {
    const [yesterday, today, tomorrow] = [-1, 0, 1].map((n) => new Date(nowMs + n * 86_400_000).toISOString().slice(0, 10));
    if (today !== this.#day) {
      this.#day = today!;
      this.#names.clear();
      for (const [name, key] of this.#customers)
        for (const day of [yesterday!, today!, tomorrow!, 'stable']) this.#names.set(subject(key, day), name);
    }
    return this.#names.get(of);
  }
}
