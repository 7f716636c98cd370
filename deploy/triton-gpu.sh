#!/bin/sh
# Starts Triton with the variants of SAMFLEET_VARIANTS loaded; others load on demand, those of SAMFLEET_VARIANTS_DIR too.
# It serves gRPC only, and only to clients with SAMFLEET_TRITON_SECRET; without a secret it does not start.
set -eu
umask 077
for name in $(echo "${SAMFLEET_VARIANTS:-}" | tr , ' '); do
    set -- "$@" "--load-model=$name"
done
work=$(mktemp -d)
if [ -n "${SAMFLEET_VARIANTS_DIR:-}" ]; then
    own=$work/own
    python3 -m samfleet.wire.model_config --variants-dir "$SAMFLEET_VARIANTS_DIR" --write "$own"
    if [ -n "$(ls "$own")" ]; then
        set -- "--model-repository=$own" "$@"
    fi
fi
tls=$(python3 -m samfleet.triton_tls "$work/tls")
unset SAMFLEET_TRITON_SECRET SAMFLEET_TRITON_SECRET_FILE # Triton and its stub do not need it
# shellcheck disable=SC2086 # each word is an option: paths from mktemp have no spaces
exec tritonserver --model-repository=/opt/samfleet/repository --model-control-mode=explicit \
    --disable-auto-complete-config --exit-on-error=false --strict-readiness=false --allow-http=false $tls "$@"
