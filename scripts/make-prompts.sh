#!/usr/bin/env bash
# Speaks the [texts] of a campaign into its folder, and makes its tones. Not needed to run or to test voipsms: the
# recordings of plugins/ivr are in the repository. Needs the Debian packages espeak-ng and sox.
# Usage: scripts/make-prompts.sh [FOLDER [VOICE]]
set -euo pipefail

folder=${1:-$(dirname "$0")/../plugins/ivr/default}
voice=${2:-en-gb}
spoken=$(mktemp --suffix .wav)
trap 'rm -f "$spoken"' EXIT

wav() {  # FILE: 8000 Hz, mono, 16 bits, as the caller plays it
  sox -D "$spoken" -r 8000 -c 1 -b 16 "$1" "${@:2}"
}

awk -F ' *= *' '/^\[/ {texts = $0 == "[texts]"; next} texts && /^[^#]/ && NF > 1 {print $1 "\t" $2}' "$folder/campaign.ini" |
  while IFS=$'\t' read -r name text; do
    espeak-ng -v "$voice" -s 155 -w "$spoken" -- "$text"
    # Silence at both ends makes an amount sound like a list; a little of it keeps words apart.
    wav "$folder/$name.wav" silence 1 0.01 0.3% reverse silence 1 0.01 0.3% pad 0.04 reverse pad 0.02 norm -4
  done

sox -D -n -r 8000 -c 1 -b 16 "$folder/ringback.wav" synth 1 sine 425 vol 0.2 fade t 0.01 1 0.01 pad 0 4  # ITU-T E.180
sox -D -n -r 8000 -c 1 -b 16 "$folder/beep.wav" synth 0.3 sine 850 vol 0.3 fade t 0.01 0.3 0.01
