#!/usr/bin/env bash
# Runs steps in order: each argument is a script of this folder without `.sh`, with its arguments. Prints the seconds
# of each, at the end a table, and stops at the first that fails.
. "$(dirname "$0")/env.sh"
table=() total=0

finish() {
  printf '\n%-32s %8s  %s\n' step seconds result
  printf '%s\n' "${table[@]}"
  printf '%-32s %8d\n' total "$total"
}

for step in "$@"; do
  read -ra words <<<"$step"
  printf '\n==> %s\n' "$step"
  began=$SECONDS status=0
  "scripts/${words[0]}.sh" "${words[@]:1}" || status=$?
  took=$((SECONDS - began)) total=$((total + SECONDS - began))
  if [ "$status" != 0 ]; then
    table+=("$(printf '%-32s %8d  failed' "$step" "$took")")
    finish
    printf '\n'
    fail "step \`$step\` failed with status $status" "run it alone: scripts/${words[0]}.sh ${words[*]:1}"
  fi
  table+=("$(printf '%-32s %8d  ok' "$step" "$took")")
  printf '    %s: %d s\n' "$step" "$took"
done
finish
