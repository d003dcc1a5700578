// Writes dist/asyncapi.html, the page that AsyncAPI's own component (the one of its HTML template and Studio) makes of
// docs/asyncapi.yaml, and fails where a channel, a message or a schema is missing from it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import component from '@asyncapi/react-component';
import { Parser } from '@asyncapi/parser';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';

const file = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll("'", '&#x27;').replaceAll('"', '&quot;');

const { document } = await new Parser().parse(file('../../docs/asyncapi.yaml'));
const config = { expand: { messageExamples: true } }; // the page has no script that would open them
const body = renderToStaticMarkup(createElement(component.default, { schema: document, config }));
const style = file('node_modules/@asyncapi/react-component/styles/default.min.css');
mkdirSync(new URL('dist', import.meta.url), { recursive: true });
writeFileSync(
  new URL('dist/asyncapi.html', import.meta.url),
  `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${document.info().title()}</title><style>${style}</style>\n${body}</html>\n`,
);

const wanted = [
  ...document.channels().all().map((each) => each.address()),
  ...document.messages().all().flatMap((each) => [each.name(), each.title()]),
  ...Object.keys(document.json().components.schemas),
];
const missing = wanted.filter((name) => !body.includes(escaped(name)));
if (wanted.length < 40 || missing.length) {
  console.error(`dist/asyncapi.html of ${wanted.length} names has not: ${missing.join(', ')}`);
  process.exitCode = 1;
}
