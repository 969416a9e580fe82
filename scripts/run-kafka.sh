#!/usr/bin/env bash
# Runs a broker for tests until it is killed or its input ends: run-kafka.sh DIR PORT CONTROLLER_PORT [TLS_PORT]. With a port for
# TLS, DIR has `server.pem`, `server.key` and `ca.pem`, and the users are `ann` (SCRAM) and `bob` (PLAIN), both with `hunter2`.
DIR=$(realpath "$1") PORT=$2 CONTROLLER=$3 SECURE=${4:-}
. "$(dirname "$0")/env.sh"
KAFKA=$CACHE/kafka-$(kafka_version)
[ -d "$KAFKA" ] || fail 'Kafka is not there' 'run: scripts/install-brokers.sh'
LISTENERS=PLAINTEXT://127.0.0.1:$PORT
if [ -n "$SECURE" ]; then
  LISTENERS+=,SASL_SSL://localhost:$SECURE
  cat "$DIR/server.pem" "$DIR/ca.pem" "$DIR/server.key" >"$DIR/kafka.pem"
fi
cat >"$DIR/kafka.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$CONTROLLER
controller.listener.names=CONTROLLER
listeners=$LISTENERS,CONTROLLER://127.0.0.1:$CONTROLLER
advertised.listeners=$LISTENERS
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$DIR/kafka
auto.create.topics.enable=false
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN
ssl.keystore.type=PEM
ssl.keystore.location=$DIR/kafka.pem
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_bob="hunter2";
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
END
JAVA=(java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.level=INFO -cp "$KAFKA/*")
[ -d "$DIR/kafka" ] || "${JAVA[@]}" kafka.tools.StorageTool format --cluster-id MkU3OEVBNTcwNTJENDM2Qk \
  --add-scram 'SCRAM-SHA-256=[name=ann,password=hunter2]' --add-scram 'SCRAM-SHA-512=[name=ann,password=hunter2]' \
  --config "$DIR/kafka.properties" >/dev/null
"${JAVA[@]}" kafka.Kafka "$DIR/kafka.properties" </dev/null &
BROKER=$!
trap 'kill -9 $BROKER 2>/dev/null' EXIT
echo "broker $BROKER"
# Whoever started this may end without a word.
{ cat >/dev/null; kill -9 $BROKER 2>/dev/null; } <&0 &
wait $BROKER
