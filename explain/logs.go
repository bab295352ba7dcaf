package explain

import (
	"context"
	"slices"
	"strings"
	"time"

	"stackpolicy/facts"
	"stackpolicy/finding"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/text"
)

// Bounds of the logs that are read.
const (
	logLines      = 10
	maxLine       = 400 // runes
	maxContainers = 3   // of one explanation
	logLimit      = 10 * time.Second
)

// LogReader returns the last lines of a unit's or of a container's log, oldest first.
type LogReader func(ctx context.Context, of string, lines int) ([]string, error)

// ReadLogs adds the last log lines: of each unit to its first finding, and of each container
// at fault to the first finding that is about it. What looks like a secret is masked.
func ReadLogs(ctx context.Context, list []Explanation, doc *facts.Document, ofUnit, ofContainer LogReader) {
	ctx, cancel := context.WithTimeout(ctx, logLimit)
	defer cancel()
	read := map[string]bool{}
	once := func(name, of string, from LogReader) []Log {
		if read[name] {
			return nil
		}
		read[name] = true
		l := Log{Of: name, Lines: []string{}}
		lines, err := from(ctx, of, logLines)
		if err != nil {
			l.Error = err.Error()
		}
		for _, line := range lines[max(0, len(lines)-logLines):] {
			l.Lines = append(l.Lines, text.Clip(masked(line), maxLine))
		}
		return []Log{l}
	}
	for i := range list {
		e := &list[i]
		if e.Decision.IsAllowed() || e.Decision.Subject == finding.Host {
			continue
		}
		e.Logs = append(e.Logs, once(e.Decision.Subject, e.Decision.Subject, ofUnit)...)
		for _, c := range atFault(doc, e.Decision) {
			e.Logs = append(e.Logs, once("container "+c.Name, c.ID, ofContainer)...)
		}
	}
}

// atFault returns the containers that a finding names, or those of the service that it names.
// Of a finding about whether the unit runs that names neither, they are those that ended with
// an error or are unhealthy.
func atFault(doc *facts.Document, d finding.Finding) []facts.Container {
	u := unit(doc, d.Subject)
	if u == nil {
		return nil
	}
	container, _ := d.Evidence["container"].(string)
	service, _ := d.Evidence["service"].(string)
	found := slices.DeleteFunc(slices.Clone(u.Containers), func(c facts.Container) bool {
		switch {
		case c.Infra:
			return true
		case container != "":
			return c.Name != container
		case service != "":
			return c.Service != service
		}
		return d.Invariant != "unit_not_failed" || c.Health != "unhealthy" && (c.State != "exited" || c.ExitCode == 0)
	})
	return found[:min(len(found), maxContainers)]
}

var (
	secretValue = lazyregexp.New(`(?i)([\w.-]*(?:passw|passphrase|secret|token|api_?key|credential|private)[\w.-]*["']?(?:\s*[=:]\s*|\s+is\s+))("[^"]*"|'[^']*'|[^\s,;&"']+)`)
	authorized  = lazyregexp.New(`(?i)(\b(?:authorization:\s*|bearer\s+|basic\s+))(?:(?:bearer|basic)\s+)?[^\s,;"']+`)
	inURL       = lazyregexp.New(`(://)[^\s/@]+@`)
)

// masked returns a line without what looks like a secret: values whose names say so, what
// follows an authorization, and the user and password of a URL.
func masked(line string) string {
	line = authorized.Get().ReplaceAllString(line, "${1}(masked)")
	line = secretValue.Get().ReplaceAllString(line, "${1}(masked)")
	return strings.TrimRight(inURL.Get().ReplaceAllString(line, "${1}(masked)@"), " \r\n")
}
