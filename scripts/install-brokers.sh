#!/usr/bin/env bash
# Makes sure that the tests of buses have their brokers; each test starts one of its own on a free port.
. "$(dirname "$0")/env.sh"
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || apt_install redis-server redis-tools
command -v mosquitto >/dev/null && command -v mosquitto_passwd >/dev/null || apt_install mosquitto
command -v mosquitto_sub >/dev/null && command -v mosquitto_pub >/dev/null || apt_install mosquitto-clients
command -v java >/dev/null || apt_install openjdk-17-jre-headless
KAFKA=$CACHE/kafka-$(kafka_version)
if [ ! -d "$KAFKA" ]; then
  command -v mvn >/dev/null || apt_install maven
  mkdir -p "$CACHE"
  PART=$(mktemp -d "$CACHE/kafka.XXXXXX")
  mvn -B -q -f scripts/kafka/pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$PART" || fail 'cannot fetch Kafka' 'see what Maven said above'
  mv -T "$PART" "$KAFKA" 2>/dev/null || rm -rf "$PART" # somebody else was quicker
fi
