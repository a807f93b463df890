{{/* Namespace of Prometheus, empty if none is known. */}}
{{- define "tts-playground.monitoringNamespace" -}}
{{ ternary .Release.Namespace .Values.monitoring.namespace .Values.monitoring.ownNamespace }}
{{- end -}}

{{/* How Prometheus finds services whose Playground does not say: the operator's setting, as JSON. */}}
{{- define "tts-playground.monitoringOfServices" -}}
{{- $m := .Values.monitoring -}}
{{- if $m.enabled -}}
{{ dict "kind" $m.kind "labels" $m.labels "interval" $m.interval | toJson }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* Whether the operator's metrics are behind TLS and a token: a text, empty for no. */}}
{{- define "tts-playground.protected" -}}
{{- $m := .Values.monitoring -}}
{{- if and $m.tokenSecret $m.tlsSecret -}}
yes
{{- else if or $m.tokenSecret $m.tlsSecret -}}
{{ fail "monitoring.tokenSecret and monitoring.tlsSecret go together: a token that is sent in clear, or TLS to whoever asks, protects nothing" }}
{{- else if eq .Values.defaults.profile "regulated" -}}
{{ fail "For defaults.profile regulated, the operator's metrics need TLS and a token: name Secrets in monitoring.tlsSecret (tls.crt, tls.key, ca.crt) and monitoring.tokenSecret (token)" }}
{{- end -}}
{{- end -}}

{{/* Annotations by which a Prometheus without its operator finds the operator's pods. */}}
{{- define "tts-playground.scrapeAnnotations" -}}
{{- if and .Values.monitoring.enabled (eq .Values.monitoring.kind "Annotations") -}}
{{- if include "tts-playground.protected" . -}}
{{ fail "monitoring.kind Annotations cannot hand Prometheus a token: leave out monitoring.tokenSecret and monitoring.tlsSecret, or use PodMonitor or ServiceMonitor" }}
{{- end -}}
prometheus.io/scrape: "true"
prometheus.io/port: "8080"
prometheus.io/path: /metrics
{{- end -}}
{{- end -}}

{{/* Whether objects of Prometheus' operator are made: a text, empty for no. */}}
{{- define "tts-playground.hasMonitors" -}}
{{- if and .Values.monitoring.enabled (ne .Values.monitoring.kind "Annotations") -}}
yes
{{- end -}}
{{- end -}}

{{/* Labels of what Prometheus' operator selects. */}}
{{- define "tts-playground.monitoringLabels" -}}
{{- with .Values.monitoring.labels }}
{{- toYaml . }}
{{ end -}}
{{- include "tts-playground.labels" . -}}
{{- end -}}
