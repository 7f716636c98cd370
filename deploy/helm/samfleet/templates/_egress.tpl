{{/* One rule: dict "to" (peers, empty for any) "ports" (list of numbers). */}}
{{- define "samfleet.egressRule" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "samfleet.egress.dns" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
  {{- with .Values.networkPolicy.egress.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "samfleet.egress.database" -}}
{{ include "samfleet.egressRule" (dict "to" .Values.networkPolicy.egress.database.to "ports" (list .Values.database.port)) }}
{{- end -}}

{{- define "samfleet.egress.broker" -}}
{{ include "samfleet.egressRule" (dict "to" .Values.networkPolicy.egress.broker.to "ports" (list .Values.broker.port)) }}
{{- end -}}

{{- define "samfleet.egress.objectStore" -}}
{{- if hasPrefix "s3://" .Values.objectStore.url }}
{{ include "samfleet.egressRule" (dict "to" .Values.networkPolicy.egress.objectStore.to "ports" (list (include "samfleet.port" (default "https://amazon" .Values.objectStore.endpoint) | int))) }}
{{- end }}
{{- end -}}

{{- define "samfleet.egress.traces" -}}
{{- with .Values.settings.SAMFLEET_OTLP_ENDPOINT }}
{{ include "samfleet.egressRule" (dict "to" $.Values.networkPolicy.egress.traces.to "ports" (list (include "samfleet.port" . | int))) }}
{{- end }}
{{- end -}}

{{- define "samfleet.egress.outside" -}}
{{- with .Values.networkPolicy.egress.outside }}
{{- if .enabled }}
{{ include "samfleet.egressRule" (dict "to" .to "ports" .ports) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Port of an http(s) address. */}}
{{- define "samfleet.port" -}}
{{- $address := urlParse . -}}
{{- $port := regexFind ":[0-9]+$" $address.host -}}
{{- if $port }}{{ trimPrefix ":" $port }}{{ else }}{{ ternary "80" "443" (eq $address.scheme "http") }}{{ end }}
{{- end -}}

{{- define "samfleet.ingressMetrics" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .root.Values.networkPolicy.metricsFrom }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
