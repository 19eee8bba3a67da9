{{- define "retentiond.labels" -}}
app.kubernetes.io/name: retentiond
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
