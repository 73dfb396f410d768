// Prints every record of every topic as a stock client reads it, one JSON object a line.
import { Kafka, logLevel } from "kafkajs";
import { SchemaRegistry } from "@kafkajs/confluent-schema-registry";

const prefix = process.env.KAFKA_TOPIC_PREFIX;
const kafka = new Kafka({ brokers: [process.env.KAFKA_BOOTSTRAP_SERVERS], logLevel: logLevel.ERROR });
const registry = new SchemaRegistry({ host: process.env.SCHEMA_REGISTRY_URL });
const admin = kafka.admin();
await admin.connect();
const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
await admin.disconnect();

const consumer = kafka.consumer({ groupId: "every-event" });
await consumer.connect();
await consumer.subscribe({ topics, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const record = await registry.decode(message.value);
    console.log(JSON.stringify({ position: Number(message.headers.ce_position), type: String(message.headers.ce_type), record }));
  },
});
