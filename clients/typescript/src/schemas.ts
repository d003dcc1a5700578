// Made by generate.mjs from presence/schemas.

export const SCHEMAS: Record<string, object> = {
 "urn:presence:schema:entered-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:entered-1.0",
  "title": "EnteredData",
  "description": "The data of an EnteredEvent: what the audience may know, and no more (no signal strength, gateway, zone, duration, count or name). v1 only grows by optional fields, each time under a new minor: take what you know, and pass over the rest.",
  "type": "object",
  "required": [
   "audience",
   "store",
   "purposes",
   "allow",
   "valid_until",
   "consent",
   "assurance"
  ],
  "properties": {
   "audience": {
    "description": "To whom this event is addressed: the last part of the topic. Two audiences hear of one visit under different ids and subjects.",
    "type": "string",
    "pattern": "^[a-z0-9-]{1,32}$"
   },
   "store": {
    "description": "The store, as at the end of source.",
    "type": "string",
    "pattern": "^[a-z0-9-]{1,32}$"
   },
   "purposes": {
    "description": "For what this audience may use the event: send offers, or serve. Nothing else follows from it.",
    "type": "array",
    "minItems": 1,
    "uniqueItems": true,
    "items": {
     "title": "Purpose",
     "type": "string",
     "enum": [
      "offers",
      "service"
     ]
    }
   },
   "allow": {
    "description": "The categories (taxonomy:node) of which the customer may hear now: granted by the customer, permitted to this audience, and with a running campaign. Sorted. Empty: no category, so no offer. Not a profile: what is not here may be unasked as well as unwanted.",
    "type": "array",
    "uniqueItems": true,
    "items": {
     "type": "string",
     "pattern": "^[a-z0-9]{1,8}:[A-Za-z0-9._-]{1,32}$"
    }
   },
   "valid_until": {
    "description": "Do nothing at or after this moment, whatever a broker, a bridge or a queue made of the message's expiry. RFC 3339; we write UTC, to the minute, so that it does not tell the second of the entry, except where the consent itself ends earlier.",
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
   },
   "consent": {
    "title": "ConsentReference",
    "description": "By which the consent service, and nobody else, finds the record that permitted this event (GDPR art. 5(2), 7(1)).",
    "type": "object",
    "required": [
     "list_seq",
     "notice"
    ],
    "properties": {
     "list_seq": {
      "description": "The number of the consent list that was in force; the same for all customers of the store at that time.",
      "type": "integer",
      "minimum": 0
     },
     "notice": {
      "description": "The version of the sign at the door and of the privacy notice under which the customer was informed.",
      "type": "string",
      "pattern": "^[A-Za-z0-9._-]{1,64}$"
     }
    }
   },
   "assurance": {
    "title": "Assurance",
    "description": "How the gateway knows. broadcast: it heard the customer's identifier, which can be recorded and played back within its 17 minutes. challenge: the entry was made by the phone's own answers to this gateway's challenges and by nothing else, which no recording can (a relay can).",
    "type": "string",
    "enum": [
     "broadcast",
     "challenge"
    ]
   }
  },
  "examples": [
   {
    "audience": "offers-main",
    "store": "fi-0042",
    "purposes": [
     "offers"
    ],
    "allow": [
     "ap2:1285",
     "ap2:1551"
    ],
    "valid_until": "2026-11-23T14:35:00Z",
    "consent": {
     "list_seq": 7,
     "notice": "fi-2026-03"
    },
    "assurance": "broadcast"
   }
  ]
 },
 "urn:presence:schema:entered-event-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:entered-event-1.0",
  "title": "EnteredEvent",
  "description": "A customer with a consent in force came into the store (not merely past it), and may be helped now. Sent once to each audience that the customer agreed to, only while the consent list is fresh. Where data.assurance is broadcast it can be a recording played back within its 17 minutes, and in either case a relay (T-01, T-02). No payment, no access, no price and nothing sensitive may rest on this event. Whoever passes it on may add extensions of CloudEvents (traceparent, partitionkey); gateways write none.",
  "type": "object",
  "propertyNames": {
   "pattern": "^[a-z0-9]+$"
  },
  "required": [
   "specversion",
   "type",
   "source",
   "id",
   "subject",
   "time",
   "datacontenttype",
   "dataschema",
   "data"
  ],
  "properties": {
   "specversion": {
    "description": "The version of CloudEvents.",
    "type": "string",
    "const": "1.0"
   },
   "type": {
    "description": "What happened. Whatever is taken away or changed makes a v2; v1 only grows by optional fields of data, each time under a new dataschema.",
    "type": "string",
    "const": "presence.entered.v1"
   },
   "source": {
    "description": "The store, urn:presence:{chain}:{store}; the same on each of its gateways, and never the gateway or a door.",
    "type": "string",
    "pattern": "^urn:presence:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}$"
   },
   "id": {
    "description": "Names this event together with source: each gateway of the store gives one visit the same pair, so a second one is a copy to be dropped. A keyed hash for this audience and this visit: it cannot be turned back, and joins neither two days nor two audiences.",
    "type": "string",
    "pattern": "^[a-z2-7]{26}$"
   },
   "subject": {
    "description": "The customer's pseudonym for this audience and the UTC day on which the visit began (for ever only where the customer agreed to profiling). Only who holds the customer's pairwise key can tell whose it is. Personal data under the GDPR: do not keep it longer than an hour, and do not hand it on.",
    "type": "string",
    "pattern": "^p_[A-Za-z0-9_-]{22}$"
   },
   "time": {
    "description": "When the customer entered, cut to the minute, so that it cannot be matched with a till or a camera to the second. RFC 3339; we write UTC as …:00Z.",
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
   },
   "datacontenttype": {
    "description": "What data is.",
    "type": "string",
    "const": "application/json"
   },
   "dataschema": {
    "description": "The schema of data (CloudEvents 1.0), with the minor that it was written by. Take every minor of 1: a later one has more optional fields, and takes none away.",
    "type": "string",
    "pattern": "^urn:presence:schema:entered-1\\.(0|[1-9][0-9]*)$"
   },
   "data": {
    "description": "What the audience may know, and no more.",
    "$ref": "urn:presence:schema:entered-1.0"
   }
  },
  "examples": [
   {
    "specversion": "1.0",
    "type": "presence.entered.v1",
    "source": "urn:presence:acme:fi-0042",
    "id": "zwuz2vgm6lypavrwdaxh5affrt",
    "subject": "p_xjcVKc5w07Djo4pEbCUcXQ",
    "time": "2026-11-23T14:05:00Z",
    "datacontenttype": "application/json",
    "dataschema": "urn:presence:schema:entered-1.0",
    "data": {
     "audience": "offers-main",
     "store": "fi-0042",
     "purposes": [
      "offers"
     ],
     "allow": [
      "ap2:1285",
      "ap2:1551"
     ],
     "valid_until": "2026-11-23T14:35:00Z",
     "consent": {
      "list_seq": 7,
      "notice": "fi-2026-03"
     },
     "assurance": "broadcast"
    }
   }
  ]
 },
 "urn:presence:schema:left-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:left-1.0",
  "title": "LeftData",
  "description": "The data of a LeftEvent: what the audience may know, and no more (no signal strength, gateway, zone, duration, count or name). v1 only grows by optional fields, each time under a new minor: take what you know, and pass over the rest.",
  "type": "object",
  "required": [
   "audience",
   "store",
   "entered_id"
  ],
  "properties": {
   "audience": {
    "description": "To whom this event is addressed: the last part of the topic. Two audiences hear of one visit under different ids and subjects.",
    "type": "string",
    "pattern": "^[a-z0-9-]{1,32}$"
   },
   "store": {
    "description": "The store, as at the end of source.",
    "type": "string",
    "pattern": "^[a-z0-9-]{1,32}$"
   },
   "entered_id": {
    "description": "The id of the presence.entered.v1 that this is about; its source is this one's.",
    "type": "string",
    "pattern": "^[a-z2-7]{26}$"
   }
  },
  "examples": [
   {
    "audience": "offers-main",
    "store": "fi-0042",
    "entered_id": "zwuz2vgm6lypavrwdaxh5affrt"
   }
  ]
 },
 "urn:presence:schema:left-event-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:left-event-1.0",
  "title": "LeftEvent",
  "description": "The visit that an earlier entered told of is over. Sent only where the customer agreed to that too (purpose visit_end). How long the visit was may be neither kept nor computed. Low assurance: a one-way advertisement can be recorded and played back within its 17 minutes, or relayed (T-01, T-02). No payment, no access, no price and nothing sensitive may rest on this event. Whoever passes it on may add extensions of CloudEvents (traceparent, partitionkey); gateways write none.",
  "type": "object",
  "propertyNames": {
   "pattern": "^[a-z0-9]+$"
  },
  "required": [
   "specversion",
   "type",
   "source",
   "id",
   "subject",
   "time",
   "datacontenttype",
   "dataschema",
   "data"
  ],
  "properties": {
   "specversion": {
    "description": "The version of CloudEvents.",
    "type": "string",
    "const": "1.0"
   },
   "type": {
    "description": "What happened. Whatever is taken away or changed makes a v2; v1 only grows by optional fields of data, each time under a new dataschema.",
    "type": "string",
    "const": "presence.left.v1"
   },
   "source": {
    "description": "The store, urn:presence:{chain}:{store}; the same on each of its gateways, and never the gateway or a door.",
    "type": "string",
    "pattern": "^urn:presence:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}$"
   },
   "id": {
    "description": "Names this event together with source: each gateway of the store gives one visit the same pair, so a second one is a copy to be dropped. A keyed hash for this audience and this visit: it cannot be turned back, and joins neither two days nor two audiences.",
    "type": "string",
    "pattern": "^[a-z2-7]{26}$"
   },
   "subject": {
    "description": "The customer's pseudonym for this audience and the UTC day on which the visit began (for ever only where the customer agreed to profiling). Only who holds the customer's pairwise key can tell whose it is. Personal data under the GDPR: do not keep it longer than an hour, and do not hand it on.",
    "type": "string",
    "pattern": "^p_[A-Za-z0-9_-]{22}$"
   },
   "time": {
    "description": "When the customer was last heard, cut to the minute, so that it cannot be matched with a till or a camera to the second. RFC 3339; we write UTC as …:00Z.",
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
   },
   "datacontenttype": {
    "description": "What data is.",
    "type": "string",
    "const": "application/json"
   },
   "dataschema": {
    "description": "The schema of data (CloudEvents 1.0), with the minor that it was written by. Take every minor of 1: a later one has more optional fields, and takes none away.",
    "type": "string",
    "pattern": "^urn:presence:schema:left-1\\.(0|[1-9][0-9]*)$"
   },
   "data": {
    "description": "What the audience may know, and no more.",
    "$ref": "urn:presence:schema:left-1.0"
   }
  },
  "examples": [
   {
    "specversion": "1.0",
    "type": "presence.left.v1",
    "source": "urn:presence:acme:fi-0042",
    "id": "wt26jrxs4xnjhluzptfzxaxppv",
    "subject": "p_xjcVKc5w07Djo4pEbCUcXQ",
    "time": "2026-11-23T14:05:00Z",
    "datacontenttype": "application/json",
    "dataschema": "urn:presence:schema:left-1.0",
    "data": {
     "audience": "offers-main",
     "store": "fi-0042",
     "entered_id": "zwuz2vgm6lypavrwdaxh5affrt"
    }
   }
  ]
 },
 "urn:presence:schema:offer-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:offer-1.0",
  "title": "Offer",
  "description": "What an engine answers to one entered, for those who bring it to the phone: an offer, or a word of service; on the topic of its audience, never retained. The gateway does not read it. Personal data under the GDPR: do not keep it longer than an hour. v1 only grows by optional fields, each time under a new minor: take what you know, and pass over the rest.",
  "type": "object",
  "required": [
   "offer_id",
   "in_answer_to",
   "subject",
   "purpose",
   "text",
   "why",
   "stop",
   "valid_until"
  ],
  "properties": {
   "offer_id": {
    "description": "Follows from the event that is answered, so that two instances and a restart make the same: send each one once.",
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]{1,64}$"
   },
   "in_answer_to": {
    "title": "AnsweredEvent",
    "description": "The presence.entered.v1 that this answers.",
    "type": "object",
    "required": [
     "source",
     "id"
    ],
    "properties": {
     "source": {
      "description": "The source of that event.",
      "type": "string",
      "pattern": "^urn:presence:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}$"
     },
     "id": {
      "description": "The id of that event.",
      "type": "string",
      "pattern": "^[a-z2-7]{26}$"
     }
    }
   },
   "subject": {
    "description": "The subject of that event: for whom it is.",
    "type": "string",
    "pattern": "^p_[A-Za-z0-9_-]{22}$"
   },
   "purpose": {
    "title": "Purpose",
    "description": "For which purpose of that event it is, and so what the customer agreed to: offers is advertising, about a category; service is none, and has no category.",
    "type": "string",
    "enum": [
     "offers",
     "service"
    ]
   },
   "category": {
    "description": "One of the categories that the event allows (E-1): in every answer of purpose offers, and in no other.",
    "type": "string",
    "pattern": "^[a-z0-9]{1,8}:[A-Za-z0-9._-]{1,32}$"
   },
   "text": {
    "description": "What the customer is told; empty where the answer is cancelled. Nothing that would embarrass them if somebody else triggered it.",
    "type": "string"
   },
   "why": {
    "description": "Why the customer is told: which kind of message, under which notice, until when (E-6).",
    "type": "string",
    "minLength": 1
   },
   "stop": {
    "description": "How the customer stops such messages (E-6).",
    "type": "string",
    "minLength": 1
   },
   "valid_until": {
    "description": "Not to be shown at or after this moment: at the latest the event's own. RFC 3339.",
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
   },
   "cancelled": {
    "description": "Present and true where what was said under this offer_id must not be shown any longer.",
    "type": "boolean",
    "const": true
   },
   "reason": {
    "title": "WithdrawnReason",
    "description": "Why it is cancelled: the reason of the presence.withdrawn.v1; unspecified where the engine has a reason of its own.",
    "type": "string",
    "enum": [
     "withdrawn",
     "expired",
     "objected",
     "paused",
     "unspecified"
    ]
   }
  },
  "dependentRequired": {
   "reason": [
    "cancelled"
   ],
   "cancelled": [
    "reason"
   ]
  },
  "if": {
   "required": [
    "purpose"
   ],
   "properties": {
    "purpose": {
     "const": "service"
    }
   }
  },
  "then": {
   "properties": {
    "category": false
   }
  },
  "else": {
   "required": [
    "category"
   ]
  },
  "examples": [
   {
    "offer_id": "o_3d0b1c7f5a8e42669b1f",
    "in_answer_to": {
     "source": "urn:presence:acme:fi-0042",
     "id": "zwuz2vgm6lypavrwdaxh5affrt"
    },
    "subject": "p_xjcVKc5w07Djo4pEbCUcXQ",
    "purpose": "offers",
    "category": "ap2:1285",
    "text": "Tulip bulbs, two bags for the price of one",
    "why": "you agreed to offers about ap2:1285 under notice fi-2026-03, and came in; we may answer to that until 2026-11-23T14:35:00Z",
    "stop": "Switch this kind of message off in the shop's app, or say so at the desk; no reason is needed.",
    "valid_until": "2026-11-23T14:35:00Z"
   },
   {
    "offer_id": "o_90a6c1f2d3b84e57ac21",
    "in_answer_to": {
     "source": "urn:presence:acme:fi-0042",
     "id": "mfrggzdfmztwq2lknnwg23tpob"
    },
    "subject": "p_G5Cu-pAf2CvO7NMl8C53Vg",
    "purpose": "service",
    "text": "Your parcel is ready at the pick-up desk",
    "why": "you agreed to be served under notice fi-2026-03, and came in; we may answer to that until 2026-11-23T14:35:00Z",
    "stop": "Switch this kind of message off in the shop's app, or say so at the desk; no reason is needed.",
    "valid_until": "2026-11-23T14:35:00Z"
   },
   {
    "offer_id": "o_3d0b1c7f5a8e42669b1f",
    "in_answer_to": {
     "source": "urn:presence:acme:fi-0042",
     "id": "zwuz2vgm6lypavrwdaxh5affrt"
    },
    "subject": "p_xjcVKc5w07Djo4pEbCUcXQ",
    "purpose": "offers",
    "category": "ap2:1285",
    "text": "",
    "why": "you agreed to offers about ap2:1285 under notice fi-2026-03, and came in; we may answer to that until 2026-11-23T14:35:00Z",
    "stop": "Switch this kind of message off in the shop's app, or say so at the desk; no reason is needed.",
    "valid_until": "2026-11-23T14:35:00Z",
    "cancelled": true,
    "reason": "withdrawn"
   }
  ]
 },
 "urn:presence:schema:state-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:state-1.0",
  "title": "GatewayState",
  "description": "Retained on the gateway's own topic: at its start, then at fixed intervals, at its end, and by the broker where it vanishes. About a machine and never about a person: it holds no count, and neither when it comes nor how long it is depends on who is in the store (R-23, T-16). v1 only grows by optional fields, each time under a new minor: take what you know, and pass over the rest.",
  "type": "object",
  "required": [
   "state",
   "sw",
   "freshness",
   "list_seq"
  ],
  "properties": {
   "state": {
    "title": "Standing",
    "description": "online: at work. stopped: ended in good order. lost: the broker has not heard of it (its will).",
    "type": "string",
    "enum": [
     "online",
     "stopped",
     "lost"
    ]
   },
   "sw": {
    "description": "The version of presence.",
    "type": "string",
    "pattern": "^[0-9A-Za-z.+-]{1,32}$"
   },
   "freshness": {
    "title": "ListFreshness",
    "description": "How far the consent list can be trusted: boot (none yet), fresh, aging (a newer one is due), stale or clock_bad (nothing is published), dead (its keys are wiped).",
    "type": "string",
    "enum": [
     "boot",
     "fresh",
     "aging",
     "stale",
     "clock_bad",
     "dead"
    ]
   },
   "list_seq": {
    "description": "The number of the consent list in force; 0 where there is none.",
    "type": "integer",
    "minimum": 0
   },
   "boot": {
    "description": "Names one start of the gateway at random, the same in its birth and its will: two of them by turns are two machines of one name (T-21).",
    "type": "string",
    "pattern": "^[A-Za-z0-9-]{1,36}$"
   }
  },
  "examples": [
   {
    "state": "online",
    "sw": "0.1.0",
    "freshness": "fresh",
    "list_seq": 88213
   }
  ]
 },
 "urn:presence:schema:withdrawn-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:withdrawn-1.0",
  "title": "WithdrawnData",
  "description": "The data of a WithdrawnEvent: what the audience may know, and no more (no signal strength, gateway, zone, duration, count or name). v1 only grows by optional fields, each time under a new minor: take what you know, and pass over the rest.",
  "type": "object",
  "required": [
   "audience",
   "store",
   "entered_id",
   "reason"
  ],
  "properties": {
   "audience": {
    "description": "To whom this event is addressed: the last part of the topic. Two audiences hear of one visit under different ids and subjects.",
    "type": "string",
    "pattern": "^[a-z0-9-]{1,32}$"
   },
   "store": {
    "description": "The store, as at the end of source.",
    "type": "string",
    "pattern": "^[a-z0-9-]{1,32}$"
   },
   "entered_id": {
    "description": "The id of the presence.entered.v1 that this is about; its source is this one's.",
    "type": "string",
    "pattern": "^[a-z2-7]{26}$"
   },
   "reason": {
    "title": "WithdrawnReason",
    "description": "Why; nothing may be concluded about the customer from it. unspecified also stands for a consent that was only narrowed.",
    "type": "string",
    "enum": [
     "withdrawn",
     "expired",
     "objected",
     "paused",
     "unspecified"
    ]
   }
  },
  "examples": [
   {
    "audience": "offers-main",
    "store": "fi-0042",
    "entered_id": "zwuz2vgm6lypavrwdaxh5affrt",
    "reason": "withdrawn"
   }
  ]
 },
 "urn:presence:schema:withdrawn-event-1.0": {
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:presence:schema:withdrawn-event-1.0",
  "title": "WithdrawnEvent",
  "description": "The customer withdrew, objected, paused, or a consent ended, after an entered went out: stop, cancel what was offered, forget it. Sent only where an entered was, and only while it could still be acted on. Low assurance: a one-way advertisement can be recorded and played back within its 17 minutes, or relayed (T-01, T-02). No payment, no access, no price and nothing sensitive may rest on this event. Whoever passes it on may add extensions of CloudEvents (traceparent, partitionkey); gateways write none.",
  "type": "object",
  "propertyNames": {
   "pattern": "^[a-z0-9]+$"
  },
  "required": [
   "specversion",
   "type",
   "source",
   "id",
   "subject",
   "time",
   "datacontenttype",
   "dataschema",
   "data"
  ],
  "properties": {
   "specversion": {
    "description": "The version of CloudEvents.",
    "type": "string",
    "const": "1.0"
   },
   "type": {
    "description": "What happened. Whatever is taken away or changed makes a v2; v1 only grows by optional fields of data, each time under a new dataschema.",
    "type": "string",
    "const": "presence.withdrawn.v1"
   },
   "source": {
    "description": "The store, urn:presence:{chain}:{store}; the same on each of its gateways, and never the gateway or a door.",
    "type": "string",
    "pattern": "^urn:presence:[a-z0-9-]{1,32}:[a-z0-9-]{1,32}$"
   },
   "id": {
    "description": "Names this event together with source: each gateway of the store gives one visit the same pair, so a second one is a copy to be dropped. A keyed hash for this audience and this visit: it cannot be turned back, and joins neither two days nor two audiences.",
    "type": "string",
    "pattern": "^[a-z2-7]{26}$"
   },
   "subject": {
    "description": "The customer's pseudonym for this audience and the UTC day on which the visit began (for ever only where the customer agreed to profiling). Only who holds the customer's pairwise key can tell whose it is. Personal data under the GDPR: do not keep it longer than an hour, and do not hand it on.",
    "type": "string",
    "pattern": "^p_[A-Za-z0-9_-]{22}$"
   },
   "time": {
    "description": "When it was taken back, cut to the minute, so that it cannot be matched with a till or a camera to the second. RFC 3339; we write UTC as …:00Z.",
    "type": "string",
    "format": "date-time",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
   },
   "datacontenttype": {
    "description": "What data is.",
    "type": "string",
    "const": "application/json"
   },
   "dataschema": {
    "description": "The schema of data (CloudEvents 1.0), with the minor that it was written by. Take every minor of 1: a later one has more optional fields, and takes none away.",
    "type": "string",
    "pattern": "^urn:presence:schema:withdrawn-1\\.(0|[1-9][0-9]*)$"
   },
   "data": {
    "description": "What the audience may know, and no more.",
    "$ref": "urn:presence:schema:withdrawn-1.0"
   }
  },
  "examples": [
   {
    "specversion": "1.0",
    "type": "presence.withdrawn.v1",
    "source": "urn:presence:acme:fi-0042",
    "id": "3sy52aay4brnmeckgt2cuocw5k",
    "subject": "p_xjcVKc5w07Djo4pEbCUcXQ",
    "time": "2026-11-23T14:06:00Z",
    "datacontenttype": "application/json",
    "dataschema": "urn:presence:schema:withdrawn-1.0",
    "data": {
     "audience": "offers-main",
     "store": "fi-0042",
     "entered_id": "zwuz2vgm6lypavrwdaxh5affrt",
     "reason": "withdrawn"
    }
   }
  ]
 }
};
