#!/usr/bin/env bash
# Makes sure that the tests of buses have their brokers; each test starts one of its own on a free port.
. "$(dirname "$0")/env.sh"
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || apt_install redis-server redis-tools
command -v mosquitto >/dev/null && command -v mosquitto_passwd >/dev/null || apt_install mosquitto
command -v mosquitto_sub >/dev/null && command -v mosquitto_pub >/dev/null || apt_install mosquitto-clients
