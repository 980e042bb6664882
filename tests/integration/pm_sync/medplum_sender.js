// Medplum's HL7 client sends one message (JSON) to a port, and prints how it was answered.
const { Hl7Client } = require('@medplum/hl7');
const { Hl7Message } = require('@medplum/core');

async function main() {
  const [port, text] = process.argv.slice(2);
  const client = new Hl7Client({ host: '127.0.0.1', port: Number(port) });
  const answer = await client.sendAndWait(Hl7Message.parse(JSON.parse(text)));
  console.log(answer.getSegment('MSA').getField(1).toString());
  await client.close();
}

main();
