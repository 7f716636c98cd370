#!/bin/sh
# Starts Triton with the variants of SAMFLEET_VARIANTS loaded; others load on demand.
set -eu
for name in $(echo "${SAMFLEET_VARIANTS:-}" | tr , ' '); do
    set -- "$@" "--load-model=$name"
done
exec tritonserver --model-repository=/opt/samfleet/repository --model-control-mode=explicit \
    --disable-auto-complete-config --exit-on-error=false "$@"
