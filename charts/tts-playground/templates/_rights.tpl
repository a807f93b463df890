{{/*
What the operator may do where it serves resources: the one list, for its ClusterRole and for its Roles. No
wildcard, no Secret, no right over rights; tests/operator/test_chart_rights.py uses every one of them and is
refused nothing.

To make Jobs and RayServices is to make pods, with any ServiceAccount and any Secret of their namespace. No
operator of workloads can do without; a namespace's Pod Security level and quota bound what such pods may do.
*/}}
{{- define "tts-playground.rights" -}}
- apiGroups: [ttsplayground.dev]
  resources: [voicemodels, textmodels, ttsjobs, playgrounds]
  verbs: [get, list, watch]
- apiGroups: [ttsplayground.dev]
  resources: [voicemodels/status, textmodels/status, ttsjobs/status, playgrounds/status]
  verbs: [patch]
# An ended job goes after its ttlSecondsAfterFinished.
- apiGroups: [ttsplayground.dev]
  resources: [ttsjobs]
  verbs: [delete]
# A job's children are made once, and never changed; KubeRay is given the address where the service's cluster takes jobs.
- apiGroups: [ray.io]
  resources: [rayjobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [ray.io]
  resources: [rayjobs/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
# Children. To apply is to create or to patch.
- apiGroups: [ray.io]
  resources: [rayservices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies, ingresses]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors, servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
# Audio is never deleted: whose files they are is for a person to say.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
# KubeRay makes the clusters; the operator sets how many pods their groups have.
- apiGroups: [ray.io]
  resources: [rayclusters]
  verbs: [get, list, watch, patch]
# A resource's status says why a pod does not run.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, list]
{{- end -}}
