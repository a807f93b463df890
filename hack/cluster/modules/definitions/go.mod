module ttsplayground.dev/cluster/definitions

go 1.24.0

require (
	github.com/grafana/grafana-operator/v5 v5.24.0
	github.com/prometheus-operator/prometheus-operator v0.93.1
)
