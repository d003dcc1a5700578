"""On a broker that speaks Kafka's protocol."""
