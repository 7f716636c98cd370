{{/* Image, user, environment, resources and mounts of Triton and of a gate on the same device: dict "root" "pool". */}}
{{- define "samfleet.tritonContainer" -}}
{{- $cuda := eq .pool.device "cuda" -}}
image: {{ include "samfleet.image" (list .root (ternary "tritonGpu" "tritonCpu" $cuda)) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{ include "samfleet.containerSecurity" (list .root (ternary 1000 10001 $cuda)) }}
env:
  {{- include "samfleet.env.triton" . | nindent 2 }}
resources:
  {{- $resources := deepCopy .pool.triton.resources }}
  {{- if $cuda }}
  {{- $gpu := dict .pool.gpu.resource .pool.gpu.count }}
  {{- $_ := set $resources "limits" (merge $gpu (default dict $resources.limits)) }}
  {{- end }}
  {{- toYaml $resources | nindent 2 }}
volumeMounts:
  - {name: triton-tmp, mountPath: /tmp}
  - {name: shared-memory, mountPath: /dev/shm}
  - {name: weights, mountPath: /var/lib/samfleet/weights, readOnly: true}
  - {name: gates, mountPath: /var/lib/samfleet/gates{{ if not .measures }}, readOnly: true{{ end }}}
  {{- if $cuda }}
  - {name: compiled, mountPath: /var/lib/samfleet/compiled}
  {{- end }}
  {{- if .measures }}
  - {name: images, mountPath: /images, readOnly: true}
  {{- end }}
  {{- include "samfleet.variantMounts" .root | nindent 2 }}
{{- end -}}

{{- define "samfleet.tritonVolumes" -}}
- name: triton-tmp
  emptyDir: {}
- name: shared-memory # Triton passes image files to Python through it; it counts as memory of the container
  emptyDir: {medium: Memory, sizeLimit: {{ .pool.triton.sharedMemory }}}
- name: weights
  persistentVolumeClaim: {claimName: {{ include "samfleet.weightsClaim" .root }}}
- name: gates
  {{- if .root.Values.gates.persistence.enabled }}
  persistentVolumeClaim: {claimName: {{ include "samfleet.gatesClaim" .root }}}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- if eq .pool.device "cuda" }}
- name: compiled # code compiled for this GPU
  {{- toYaml .pool.triton.compiledVolume | nindent 2 }}
{{- end }}
{{- end -}}
