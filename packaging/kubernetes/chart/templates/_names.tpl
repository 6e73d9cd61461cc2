{{- /* Names are fixed: a node has one engine, so a cluster has the chart once. */ -}}
{{- define "enforcer.labels" -}}
app.kubernetes.io/name: enforcer
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
{{- define "enforcer.selector" -}}
app.kubernetes.io/name: enforcer
app.kubernetes.io/component: node
{{- end -}}
{{- define "enforcer.webhookSelector" -}}
app.kubernetes.io/name: enforcer
app.kubernetes.io/component: webhook
{{- end -}}
{{- define "enforcer.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
