// MQTT.js: publisher and subscriber over mutual TLS, both versions, QoS 0, 1 and 2.

const fs = require('node:fs');
const mqtt = require('mqtt');

const [port, trust, pubCert, pubKey, subCert, subKey] = process.argv.slice(2);

function connect(protocolVersion, cert, key) {
  return mqtt.connectAsync(`mqtts://localhost:${port}`, {
    protocolVersion,
    ca: fs.readFileSync(trust),
    cert: fs.readFileSync(cert),
    key: fs.readFileSync(key),
    rejectUnauthorized: true,
    reconnectPeriod: 0,
  });
}

async function main() {
  for (const [name, version] of [['3.1.1', 4], ['5.0', 5]]) {
    const subscriber = await connect(version, subCert, subKey);
    const publisher = await connect(version, pubCert, pubKey);
    const topic = `chat/mqtt.js/${name}`;
    const [granted] = await subscriber.subscribeAsync(topic, { qos: 2 });
    if (granted.qos !== 2) throw new Error(`granted ${granted.qos}`);
    for (const qos of [0, 1, 2]) {
      const payload = Buffer.from(`señal ${name} ${qos}`);
      const arrived = new Promise((resolve) => {
        subscriber.once('message', (_topic, message, packet) => resolve({ message, packet }));
      });
      await publisher.publishAsync(topic, payload, { qos });
      const { message, packet } = await arrived;
      if (!payload.equals(message) || packet.qos !== qos) {
        throw new Error(`${name} QoS ${qos}: got ${message} with QoS ${packet.qos}`);
      }
      console.log(`ok ${name} QoS ${qos}`);
    }
    await publisher.endAsync();
    await subscriber.endAsync();
  }
}

// A promise that never settles must not look like success: node would exit 0.
const deadline = setTimeout(() => {
  console.error('timed out');
  process.exit(1);
}, 40_000);

main().then(
  () => clearTimeout(deadline),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
