// Writes src/types.ts and src/schemas.ts from presence/schemas; with --check it only says whether they are of today.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';

const folder = new URL('../../presence/schemas/', import.meta.url);
const schemas = readdirSync(folder).sort().map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')));
const byId = Object.fromEntries(schemas.map((schema) => [schema.$id, schema]));
const says = '// Made by generate.mjs from presence/schemas.\n';

// One union over the whole contract, so that each type is written once; references are followed here, for they are URNs.
const inlined = (value) => {
  if (Array.isArray(value)) return value.map(inlined);
  if (value === null || typeof value !== 'object') return value;
  const { $ref, $id, $schema, examples, dependentRequired, ...rest } = value;
  if ($ref) return inlined(byId[$ref]);
  return Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, inlined(inner)]));
};
const types = [];
for (const schema of schemas) {
  const text = await compile(inlined(schema), schema.title, { bannerComment: '', additionalProperties: true });
  for (const part of text.split(/^(?=\/\*\*\n(?: \*.*\n)*? \*\/\nexport |export )/m)) {
    const name = /^export (?:type|interface) (\w+)/m.exec(part)?.[1];
    if (name && !types.some(([known]) => known === name)) types.push([name, part.trim()]);
  }
}
const written = {
  'src/types.ts': `${says}\n${types.map(([, part]) => part).join('\n\n')}\n`,
  'src/schemas.ts': `${says}\nexport const SCHEMAS: Record<string, object> = ${JSON.stringify(byId, null, 1)};\n`,
};
for (const [name, text] of Object.entries(written)) {
  const file = new URL(name, import.meta.url);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    console.error(`clients/typescript/${name} is out of date: npm run generate`);
    process.exitCode = 1;
  }
}
