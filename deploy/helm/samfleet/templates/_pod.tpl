{{/* Fields that every pod has: dict "root", "values" (nodeSelector and so on), "account". */}}
{{- define "samfleet.pod" -}}
enableServiceLinks: false # a Service samfleet-api would set SAMFLEET_API_PORT=tcp://...
automountServiceAccountToken: false
serviceAccountName: {{ default (include "samfleet.serviceAccountName" .root) .account }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.terminationGracePeriodSeconds }}
terminationGracePeriodSeconds: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Spread over nodes as far as possible: as samfleet.selectorLabels. */}}
{{- define "samfleet.topologySpread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "samfleet.selectorLabels" . | nindent 8 }}
{{- end -}}

{{/* Security context of a container: list root, the id of the image's user. */}}
{{- define "samfleet.containerSecurity" -}}
securityContext:
  {{- if (index . 0).Values.imageUsers }}
  runAsUser: {{ index . 1 }}
  {{- end }}
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- define "samfleet.appContainer" -}}
image: {{ include "samfleet.image" (list . "app") }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{ include "samfleet.containerSecurity" (list . 10001) }}
{{- end -}}

{{/* Volumes of images, own variants and weights, and where the containers have them. */}}
{{- define "samfleet.datasetMounts" -}}
{{- if .Values.datasets.volume }}
- {name: datasets, mountPath: /datasets, readOnly: true}
{{- end }}
{{- end -}}

{{- define "samfleet.extraMounts" -}}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "samfleet.extraVolumes" -}}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "samfleet.datasetVolumes" -}}
{{- with .Values.datasets.volume }}
- name: datasets
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "samfleet.variantMounts" -}}
{{- if or .Values.variants.own .Values.variants.volume }}
- {name: variants, mountPath: /var/lib/samfleet/variants, readOnly: true}
{{- end }}
{{- end -}}

{{- define "samfleet.variantVolumes" -}}
{{- if .Values.variants.own }}
- name: variants
  configMap: {name: {{ include "samfleet.fullname" . }}-variants}
{{- else if .Values.variants.volume }}
- name: variants
  {{- toYaml .Values.variants.volume | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "samfleet.weightsClaim" -}}
{{- default (printf "%s-weights" (include "samfleet.fullname" .)) .Values.weights.persistence.existingClaim -}}
{{- end -}}

{{- define "samfleet.gatesClaim" -}}
{{- default (printf "%s-gates" (include "samfleet.fullname" .)) .Values.gates.persistence.existingClaim -}}
{{- end -}}

{{- define "samfleet.variantsChecksum" -}}
{{- if .Values.variants.own }}
checksum/variants: {{ .Values.variants.own | toJson | sha256sum }}
{{- end }}
{{- end -}}

{{/* Init container that waits until the weights Job has fetched the variants: list root, names. */}}
{{- define "samfleet.waitForWeights" -}}
{{- $root := index . 0 -}}
name: wait-for-weights
{{ include "samfleet.appContainer" $root }}
command: [python, -m, samfleet_cli.local_stack.await_weights]
args:
  - --seconds={{ $root.Values.weights.waitSeconds }}
  {{- range index . 1 }}
  - {{ . }}
  {{- end }}
env:
  - name: SAMFLEET_WEIGHTS_DIR
    value: /var/lib/samfleet/weights
  {{- include "samfleet.env.variants" $root | nindent 2 }}
resources:
  requests: {cpu: 50m, memory: 128Mi}
  limits: {memory: 256Mi}
volumeMounts:
  - {name: weights, mountPath: /var/lib/samfleet/weights, readOnly: true}
  {{- include "samfleet.variantMounts" $root | nindent 2 }}
{{- end -}}

{{/* The heartbeat file of a Celery process. While the broker is away, it grows old: that alone restarts nothing soon. */}}
{{- define "samfleet.workerProbes" -}}
startupProbe:
  exec: {command: [sh, -c, "find /tmp/alive -mmin -1 | grep -q ."]}
  periodSeconds: 5
  failureThreshold: 120
readinessProbe:
  exec: {command: [sh, -c, "find /tmp/alive -mmin -1 | grep -q ."]}
  periodSeconds: 15
  timeoutSeconds: 5
livenessProbe:
  exec: {command: [sh, -c, "find /tmp/alive -mmin -15 | grep -q ."]}
  periodSeconds: 60
  timeoutSeconds: 5
{{- end -}}

{{/* At most one pod away during a drain: as samfleet.selectorLabels, with "name". */}}
{{- define "samfleet.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    {{- include "samfleet.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "samfleet.selectorLabels" . | nindent 6 }}
{{- end -}}
