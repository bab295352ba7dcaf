package daily

import (
	"bytes"
	"testing"
)

func TestGoldens(t *testing.T) {
	for name, in := range map[string]Input{"day": sample(), "nothing": nothing()} {
		status := Status{Now: in.Now, LastAudit: in.LastAudit, Occurrences: in.Occurrences, Steps: in.Steps}
		for i, s := range in.Occurrences {
			if s.ResolvedAt != nil {
				status.Occurrences = in.Occurrences[:i]
				break
			}
		}
		log := Log{Now: in.Now, Since: in.Since, Spans: in.Spans, Occurrences: in.Occurrences, Actions: in.Actions}
		golden(t, name+".html", html(t, in))
		golden(t, name+".txt", written(t, func(out *bytes.Buffer) error { return WriteText(out, Build(in)) }))
		golden(t, name+"_status.txt", written(t, func(out *bytes.Buffer) error { return WriteStatus(out, status) }))
		golden(t, name+"_status.json", written(t, func(out *bytes.Buffer) error { return WriteStatusJSON(out, status) }))
		golden(t, name+"_history.txt", written(t, func(out *bytes.Buffer) error { return WriteLog(out, log) }))
		golden(t, name+"_history.json", written(t, func(out *bytes.Buffer) error { return WriteLogJSON(out, log) }))
	}
}
