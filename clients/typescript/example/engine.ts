// An offer engine in fifty lines: node engine.js CHAIN STORE AUDIENCE CUSTOMERS [PORT]
import { readFileSync } from 'node:fs';
import mqtt from 'mqtt';
import { NotInContract, SubjectTable, keyOf, readCustomers, readEvent, readTime, type PresenceEvent } from '../src/index.js';

const [chain, store, audience, customers, port = '1883'] = process.argv.slice(2);
const table = new SubjectTable(readCustomers(readFileSync(customers!, 'utf8')));
const seen = new Map<string, number>(); // E-3, E-4 and E-5: copies, withdrawn, and an hour

function onMessage(_topic: string, payload: Buffer): void {
  const now = Date.now();
  for (const [key, since] of seen) if (now - since > 58 * 60_000) seen.delete(key);
  let event: PresenceEvent;
  try {
    event = readEvent(payload);
  } catch (broken) {
    if (!(broken instanceof NotInContract)) throw broken;
    console.error(`passed over: ${broken.message}`);
    return;
  }
  const key = keyOf(event.source, event.id);
  const isCopy = seen.has(key);
  if (!isCopy) seen.set(key, now);
  if (event.type === 'presence.withdrawn.v1') {
    const entered = keyOf(event.source, event.data.entered_id);
    if (!seen.has(entered)) seen.set(entered, now); // and cancel what you offered
  } else if (event.type === 'presence.entered.v1' && !isCopy && now < readTime(event.data.valid_until)) {
    const customer = table.customer(event.subject, now);
    if (customer && event.data.purposes.includes('offers') && event.data.allow.length)
      console.log(JSON.stringify({ to: customer, about: event.data.allow[0] }));
  }
}

const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
  protocolVersion: 5,
  clientId: `engine-${audience}`,
  clean: false,
  properties: { sessionExpiryInterval: 120 }, // a restart loses nothing: an event lives no longer
});
client.on('message', onMessage);
client.on('connect', () => client.subscribe(`presence/v1/${chain}/${store}/evt/${audience}`, { qos: 1 }, () => console.error('listening')));
