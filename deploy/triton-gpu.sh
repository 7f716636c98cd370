#!/bin/sh
# Starts Triton with the variants of SAMFLEET_VARIANTS loaded; others load on demand, those of SAMFLEET_VARIANTS_DIR too.
set -eu
for name in $(echo "${SAMFLEET_VARIANTS:-}" | tr , ' '); do
    set -- "$@" "--load-model=$name"
done
if [ -n "${SAMFLEET_VARIANTS_DIR:-}" ]; then
    own=$(mktemp -d)
    python3 -m samfleet.masks.triton_config --variants-dir "$SAMFLEET_VARIANTS_DIR" --write "$own"
    if [ -n "$(ls "$own")" ]; then
        set -- "--model-repository=$own" "$@"
    fi
fi
exec tritonserver --model-repository=/opt/samfleet/repository --model-control-mode=explicit \
    --disable-auto-complete-config --exit-on-error=false --strict-readiness=false "$@"
