{{/* Name of the release's objects; it is short, because names of Jobs and pods add up to 39 characters. */}}
{{- define "samfleet.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 24 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 24 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 24 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select the pods of a part: dict "root" "component" and, for pools, "pool". */}}
{{- define "samfleet.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
samfleet/pool: {{ . }}
{{- end }}
{{- end -}}

{{- define "samfleet.labels" -}}
{{ include "samfleet.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Labels of a pod: those of the part without the chart's version, and its podLabels. */}}
{{- define "samfleet.podLabels" -}}
{{ include "samfleet.selectorLabels" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with (.values | default dict).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Image: list root, name in `image`. */}}
{{- define "samfleet.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- $one := index $image (index . 1) -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $one.repository }}:{{ default $root.Chart.AppVersion $image.tag }}{{ with $one.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "samfleet.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "samfleet.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* A key of a Secret: dict "root", "own" (the part's existingSecret), "key", "value" (for the message). */}}
{{- define "samfleet.secretKey" -}}
{{- $values := .root.Values -}}
{{- $name := default $values.existingSecret .own -}}
{{- if and (not $name) $values.secret.create -}}
{{- if not (hasKey $values.secret.values .key) -}}
{{- fail (printf "secret.values: the key %s is missing; add it, or name a Secret in %s" .key .value) -}}
{{- end -}}
{{- $name = include "samfleet.fullname" .root -}}
{{- end -}}
{{- if not $name -}}
{{- fail (printf "%s: name a Secret with the key %s, there or in existingSecret for all parts" .value .key) -}}
{{- end -}}
secretKeyRef: {name: {{ $name }}, key: {{ .key }}}
{{- end -}}

{{/* Pools with their defaults, as JSON: an object by name. */}}
{{- define "samfleet.pools" -}}
{{- $pools := dict -}}
{{- range $name, $pool := .Values.pools -}}
{{- if $pool -}}
{{- $_ := set $pools $name (mergeOverwrite (deepCopy $.Values.poolDefaults) $pool) -}}
{{- else -}}
{{- $_ := set $pools $name (deepCopy $.Values.poolDefaults) -}}
{{- end -}}
{{- end -}}
{{- $pools | toJson -}}
{{- end -}}

{{/* Names of the pools, the default one first, separated by commas. */}}
{{- define "samfleet.poolNames" -}}
{{- $names := keys .Values.pools | sortAlpha -}}
{{- if .Values.defaultPool -}}
{{- $names = prepend (without $names .Values.defaultPool) .Values.defaultPool -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{/* A value as an environment variable: YAML reads large integers as floating-point numbers. */}}
{{- define "samfleet.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . | toString | quote -}}
{{- else -}}
{{- toString . | quote -}}
{{- end -}}
{{- end -}}
