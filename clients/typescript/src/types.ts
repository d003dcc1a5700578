// Made by generate.mjs from presence/schemas.

export type Purpose = "offers" | "service";

export type Assurance = "broadcast" | "challenge";

export interface EnteredData {
  /**
   * To whom this event is addressed: the last part of the topic. Two audiences hear of one visit under different ids and subjects.
   */
  audience: string;
  /**
   * The store, as at the end of source.
   */
  store: string;
  /**
   * For what this audience may use the event: send offers, or serve. Nothing else follows from it.
   *
   * @minItems 1
   */
  purposes: [Purpose, ...Purpose[]];
  /**
   * The categories (taxonomy:node) of which the customer may hear now: granted by the customer, permitted to this audience, and with a running campaign. Sorted. Empty: no category, so no offer. Not a profile: what is not here may be unasked as well as unwanted.
   */
  allow: string[];
  /**
   * Do nothing at or after this moment, whatever a broker, a bridge or a queue made of the message's expiry. RFC 3339; we write UTC, to the minute, so that it does not tell the second of the entry, except where the consent itself ends earlier.
   */
  valid_until: string;
  consent: ConsentReference;
  assurance: Assurance;
  [k: string]: unknown;
}

export interface ConsentReference {
  /**
   * The number of the consent list that was in force; the same for all customers of the store at that time.
   */
  list_seq: number;
  /**
   * The version of the sign at the door and of the privacy notice under which the customer was informed.
   */
  notice: string;
  [k: string]: unknown;
}

export interface EnteredEvent {
  /**
   * The version of CloudEvents.
   */
  specversion: "1.0";
  /**
   * What happened. Whatever is taken away or changed makes a v2; v1 only grows by optional fields of data, each time under a new dataschema.
   */
  type: "presence.entered.v1";
  /**
   * The store, urn:presence:{chain}:{store}; the same on each of its gateways, and never the gateway or a door.
   */
  source: string;
  /**
   * Names this event together with source: each gateway of the store gives one visit the same pair, so a second one is a copy to be dropped. A keyed hash for this audience and this visit: it cannot be turned back, and joins neither two days nor two audiences.
   */
  id: string;
  /**
   * The customer's pseudonym for this audience and the UTC day on which the visit began (for ever only where the customer agreed to profiling). Only who holds the customer's pairwise key can tell whose it is. Personal data under the GDPR: do not keep it longer than an hour, and do not hand it on.
   */
  subject: string;
  /**
   * When the customer entered, cut to the minute, so that it cannot be matched with a till or a camera to the second. RFC 3339; we write UTC as …:00Z.
   */
  time: string;
  /**
   * What data is.
   */
  datacontenttype: "application/json";
  /**
   * The schema of data (CloudEvents 1.0), with the minor that it was written by. Take every minor of 1: a later one has more optional fields, and takes none away.
   */
  dataschema: string;
  data: EnteredData;
  [k: string]: unknown;
}

export interface LeftData {
  /**
   * To whom this event is addressed: the last part of the topic. Two audiences hear of one visit under different ids and subjects.
   */
  audience: string;
  /**
   * The store, as at the end of source.
   */
  store: string;
  /**
   * The id of the presence.entered.v1 that this is about; its source is this one's.
   */
  entered_id: string;
  [k: string]: unknown;
}

export interface LeftEvent {
  /**
   * The version of CloudEvents.
   */
  specversion: "1.0";
  /**
   * What happened. Whatever is taken away or changed makes a v2; v1 only grows by optional fields of data, each time under a new dataschema.
   */
  type: "presence.left.v1";
  /**
   * The store, urn:presence:{chain}:{store}; the same on each of its gateways, and never the gateway or a door.
   */
  source: string;
  /**
   * Names this event together with source: each gateway of the store gives one visit the same pair, so a second one is a copy to be dropped. A keyed hash for this audience and this visit: it cannot be turned back, and joins neither two days nor two audiences.
   */
  id: string;
  /**
   * The customer's pseudonym for this audience and the UTC day on which the visit began (for ever only where the customer agreed to profiling). Only who holds the customer's pairwise key can tell whose it is. Personal data under the GDPR: do not keep it longer than an hour, and do not hand it on.
   */
  subject: string;
  /**
   * When the customer was last heard, cut to the minute, so that it cannot be matched with a till or a camera to the second. RFC 3339; we write UTC as …:00Z.
   */
  time: string;
  /**
   * What data is.
   */
  datacontenttype: "application/json";
  /**
   * The schema of data (CloudEvents 1.0), with the minor that it was written by. Take every minor of 1: a later one has more optional fields, and takes none away.
   */
  dataschema: string;
  data: LeftData;
  [k: string]: unknown;
}

export type WithdrawnReason = "withdrawn" | "expired" | "objected" | "paused" | "unspecified";

export interface Offer {
  /**
   * Follows from the event that is answered, so that two instances and a restart make the same: send each one once.
   */
  offer_id: string;
  in_answer_to: AnsweredEvent;
  /**
   * The subject of that event: for whom it is.
   */
  subject: string;
  purpose: Purpose;
  /**
   * One of the categories that the event allows (E-1): in every answer of purpose offers, and in no other.
   */
  category?: string;
  /**
   * What the customer is told; empty where the answer is cancelled. Nothing that would embarrass them if somebody else triggered it.
   */
  text: string;
  /**
   * Why the customer is told: which kind of message, under which notice, until when (E-6).
   */
  why: string;
  /**
   * How the customer stops such messages (E-6).
   */
  stop: string;
  /**
   * Not to be shown at or after this moment: at the latest the event's own. RFC 3339.
   */
  valid_until: string;
  /**
   * Present and true where what was said under this offer_id must not be shown any longer.
   */
  cancelled?: true;
  reason?: WithdrawnReason;
  [k: string]: unknown;
}

export interface AnsweredEvent {
  /**
   * The source of that event.
   */
  source: string;
  /**
   * The id of that event.
   */
  id: string;
  [k: string]: unknown;
}

export type Standing = "online" | "stopped" | "lost";

export type ListFreshness = "boot" | "fresh" | "aging" | "stale" | "clock_bad" | "dead";

export interface GatewayState {
  state: Standing;
  /**
   * The version of presence.
   */
  sw: string;
  freshness: ListFreshness;
  /**
   * The number of the consent list in force; 0 where there is none.
   */
  list_seq: number;
  /**
   * Names one start of the gateway at random, the same in its birth and its will: two of them by turns are two machines of one name (T-21).
   */
  boot?: string;
  [k: string]: unknown;
}

export interface WithdrawnData {
  /**
   * To whom this event is addressed: the last part of the topic. Two audiences hear of one visit under different ids and subjects.
   */
  audience: string;
  /**
   * The store, as at the end of source.
   */
  store: string;
  /**
   * The id of the presence.entered.v1 that this is about; its source is this one's.
   */
  entered_id: string;
  reason: WithdrawnReason;
  [k: string]: unknown;
}

export interface WithdrawnEvent {
  /**
   * The version of CloudEvents.
   */
  specversion: "1.0";
  /**
   * What happened. Whatever is taken away or changed makes a v2; v1 only grows by optional fields of data, each time under a new dataschema.
   */
  type: "presence.withdrawn.v1";
  /**
   * The store, urn:presence:{chain}:{store}; the same on each of its gateways, and never the gateway or a door.
   */
  source: string;
  /**
   * Names this event together with source: each gateway of the store gives one visit the same pair, so a second one is a copy to be dropped. A keyed hash for this audience and this visit: it cannot be turned back, and joins neither two days nor two audiences.
   */
  id: string;
  /**
   * The customer's pseudonym for this audience and the UTC day on which the visit began (for ever only where the customer agreed to profiling). Only who holds the customer's pairwise key can tell whose it is. Personal data under the GDPR: do not keep it longer than an hour, and do not hand it on.
   */
  subject: string;
  /**
   * When it was taken back, cut to the minute, so that it cannot be matched with a till or a camera to the second. RFC 3339; we write UTC as …:00Z.
   */
  time: string;
  /**
   * What data is.
   */
  datacontenttype: "application/json";
  /**
   * The schema of data (CloudEvents 1.0), with the minor that it was written by. Take every minor of 1: a later one has more optional fields, and takes none away.
   */
  dataschema: string;
  data: WithdrawnData;
  [k: string]: unknown;
}
