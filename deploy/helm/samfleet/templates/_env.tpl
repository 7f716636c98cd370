{{- define "samfleet.env.database" -}}
{{- $database := .Values.database -}}
- name: SAMFLEET_DATABASE_URL # without the password, which libpq reads from PGPASSWORD
  value: {{ printf "postgresql+psycopg://%s@%s:%d/%s?sslmode=%s" $database.user $database.host (int $database.port) $database.name $database.sslMode | quote }}
- name: SAMFLEET_DATABASE_POOLING
  value: {{ $database.pooling | quote }}
{{- if $database.passwordKey }}
- name: PGPASSWORD
  valueFrom:
    {{ include "samfleet.secretKey" (dict "root" . "own" $database.existingSecret "key" $database.passwordKey "value" "database.existingSecret") }}
{{- end }}
{{- end -}}

{{- define "samfleet.env.broker" -}}
{{- $broker := .Values.broker -}}
{{- $login := "" -}}
{{- if $broker.passwordKey -}}
{{- $login = printf "%s:$(BROKER_PASSWORD)@" $broker.user }}
- name: BROKER_PASSWORD
  valueFrom:
    {{ include "samfleet.secretKey" (dict "root" . "own" $broker.existingSecret "key" $broker.passwordKey "value" "broker.existingSecret") }}
{{- end }}
- name: SAMFLEET_BROKER_URL
  value: {{ printf "%s://%s%s:%d/%d%s" (ternary "rediss" "redis" $broker.tls) $login $broker.host (int $broker.port) (int $broker.database) (ternary "?ssl_cert_reqs=required" "" $broker.tls) | quote }}
{{- end -}}

{{- define "samfleet.env.objectStore" -}}
{{- $store := .Values.objectStore -}}
- name: SAMFLEET_STORAGE_URL
  value: {{ $store.url | quote }}
{{- with $store.endpoint }}
- name: SAMFLEET_S3_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
- name: AWS_DEFAULT_REGION
  value: {{ $store.region | quote }}
{{- if $store.credentials }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    {{ include "samfleet.secretKey" (dict "root" . "own" $store.existingSecret "key" $store.accessKeyKey "value" "objectStore.existingSecret") }}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    {{ include "samfleet.secretKey" (dict "root" . "own" $store.existingSecret "key" $store.secretKeyKey "value" "objectStore.existingSecret") }}
{{- end }}
{{- end -}}

{{- define "samfleet.env.tritonSecret" -}}
- name: SAMFLEET_TRITON_SECRET
  valueFrom:
    {{ include "samfleet.secretKey" (dict "root" . "own" .Values.tritonSecret.existingSecret "key" .Values.tritonSecret.key "value" "tritonSecret.existingSecret") }}
{{- end -}}

{{/* `settings`, and shards in flight for the largest pool: with fewer, one run cannot use all its replicas. */}}
{{- define "samfleet.env.settings" -}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ include "samfleet.text" $value }}
{{- end }}
{{- if not (hasKey .Values.settings "SAMFLEET_SHARDS_IN_FLIGHT") }}
{{- $most := 4 }}
{{- range $pool := include "samfleet.pools" . | fromJson }}
{{- $replicas := ternary $pool.keda.maxReplicas $pool.replicas $pool.keda.enabled }}
{{- $most = max $most (mul (int $replicas) (int $pool.worker.concurrency)) }}
{{- end }}
- name: SAMFLEET_SHARDS_IN_FLIGHT
  value: {{ $most | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Licences and the folder of own variants, for every part that reads records of variants. */}}
{{- define "samfleet.env.variants" -}}
{{- with .Values.variants.acceptLicenses }}
- name: SAMFLEET_ACCEPT_LICENSES
  value: {{ join "," . | quote }}
{{- end }}
- name: SAMFLEET_ALLOW_PULLS
  value: "false"  # pods mount the weights read-only; the weights Job fetches them
{{- if or .Values.variants.own .Values.variants.volume }}
- name: SAMFLEET_VARIANTS_DIR
  value: /var/lib/samfleet/variants
{{- end }}
{{- end -}}

{{- define "samfleet.env.datasets" -}}
{{- if .Values.datasets.volume }}
- name: SAMFLEET_DATASET_ROOTS
  value: {{ join ":" .Values.datasets.roots | quote }}
{{- end }}
{{- end -}}

{{/* Pools for API and control, which use the names only: each worker reaches the Triton of its own pod. */}}
{{- define "samfleet.env.poolNames" -}}
{{- $pools := list }}
{{- range splitList "," (include "samfleet.poolNames" .) }}
{{- $pools = append $pools (printf "%s=localhost:8001" .) }}
{{- end }}
- name: SAMFLEET_POOLS
  value: {{ join ";" $pools | quote }}
{{- end -}}

{{/* What a Celery process needs besides its addresses. */}}
{{- define "samfleet.env.worker" -}}
- name: SAMFLEET_HEARTBEAT_FILE
  value: /tmp/alive
- name: SAMFLEET_METRICS_HOST
  value: "0.0.0.0"
- name: SAMFLEET_METRICS_PORT
  value: "9400"
{{- end -}}

{{/* Environment of a pool's Triton, and of a gate ("measures"), which serves nobody: dict "root" "pool". */}}
{{- define "samfleet.env.triton" -}}
{{- if not .measures }}
{{ include "samfleet.env.tritonSecret" .root }}
- name: SAMFLEET_VARIANTS
  value: {{ join "," .root.Values.variants.load | quote }}
- name: SAMFLEET_EXECUTION
  value: {{ .pool.execution | quote }}
{{- end }}
- name: SAMFLEET_WEIGHTS_DIR
  value: /var/lib/samfleet/weights
- name: SAMFLEET_GATES_DIR
  value: /var/lib/samfleet/gates
- name: SAMFLEET_DEVICE
  value: {{ .pool.device }}
{{- include "samfleet.env.variants" .root }}
{{- if not (hasKey .pool.triton.settings "SAMFLEET_THREADS") }}
- name: SAMFLEET_THREADS # torch sees all cores of the node
  valueFrom: {resourceFieldRef: {resource: limits.cpu}}
{{- end }}
{{- range $name := list "SAMFLEET_MAX_BATCH_SIZE" "SAMFLEET_MAX_PIXELS" "SAMFLEET_MAX_PROMPTS_PER_IMAGE" }}
{{- if and (hasKey $.root.Values.settings $name) (not (hasKey $.pool.triton.settings $name)) }}
- name: {{ $name }}
  value: {{ include "samfleet.text" (index $.root.Values.settings $name) }}
{{- end }}
{{- end }}
{{- range $name, $value := .pool.triton.settings }}
- name: {{ $name }}
  value: {{ include "samfleet.text" $value }}
{{- end }}
{{- with .pool.triton.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
