{{- define "tts-playground.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* Name of the release's objects. */}}
{{- define "tts-playground.fullname" -}}
{{- $name := include "tts-playground.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 47 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 47 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 47 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{/* Name of objects that share a name space with those of other releases. */}}
{{- define "tts-playground.globalName" -}}
{{ printf "%s-%s" .Release.Namespace (include "tts-playground.fullname" .) }}
{{- end -}}

{{- define "tts-playground.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "tts-playground.fullname" .) }}
{{- else -}}
{{ required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{/* Labels that never change: those of selectors. */}}
{{- define "tts-playground.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tts-playground.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Labels of every object. */}}
{{- define "tts-playground.labels" -}}
{{- with .Values.commonLabels }}
{{- toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "tts-playground.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tts-playground
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* An image of the release's registry: list of the root and its name. */}}
{{- define "tts-playground.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- with $image.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{ index . 1 }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}

{{- define "tts-playground.operatorImage" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ with $image.registry }}{{ . | trimSuffix "/" }}/{{ end }}{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ include "tts-playground.image" (list . $image.repository) }}
{{- end -}}
{{- end -}}

{{/* Images by engine, as a JSON object; an empty one is the release's own. */}}
{{- define "tts-playground.engineImages" -}}
{{- $images := dict -}}
{{- range $engine, $image := .Values.defaults.images.engines -}}
{{- $own := include "tts-playground.image" (list $ (printf "tts-playground-%s" $engine)) -}}
{{- $_ := set $images $engine ($image | default $own) -}}
{{- end -}}
{{ $images | toJson }}
{{- end -}}

{{/* What the Pod Security Standard `restricted` asks of a container, and a file system that cannot be written. */}}
{{- define "tts-playground.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
readOnlyRootFilesystem: true
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tts-playground.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
seccompProfile: {type: RuntimeDefault}
{{- end -}}
