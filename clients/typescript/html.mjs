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
// The component measures its window and puts examples beside the text; without a script they stand below it.
const fitted = `body{margin:0}
.aui-root>div{display:block;overflow-wrap:anywhere}
.aui-root .panel--right{display:none}
.aui-root .panel-item{display:block;max-width:72rem}
.aui-root .panel-item--center,.aui-root .panel-item--right{width:auto}
.aui-root pre{white-space:pre-wrap}`;
const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">`;
mkdirSync(new URL('dist', import.meta.url), { recursive: true });
writeFileSync(
  new URL('dist/asyncapi.html', import.meta.url),
  `<!doctype html>\n<html lang="en">${head}<title>${document.info().title()}</title><style>${style}${fitted}</style>\n${body}</html>\n`,
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
