package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"stackpolicy/alerts"
	"stackpolicy/audit"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/internal/probe"
	"stackpolicy/internal/text"
	"stackpolicy/notify"
	"stackpolicy/report"
	"stackpolicy/watch"
)

// maxOccurrences is more findings than any real machine has.
const maxOccurrences = 10_000

// routes returns the alert sinks. It is called before an audit, so that a mistake in
// their configuration is reported at once. credentials is the folder of secrets.
func routes(c config.Config, credentials string) ([]notify.Route, error) {
	list, err := c.Alerts.Routes(notify.Environment{Credentials: credentials, Client: notify.Client(), Clock: time.Now})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.Path(collect.ConfigHome()), err)
	}
	return list, nil
}

// credentials returns the folder in which systemd has put the secrets of the alert sinks.
func credentials() string { return os.Getenv("CREDENTIALS_DIRECTORY") }

// spoolFor returns the spool of an audit that leaves alerts over the network to
// stackpolicy-alerts.service, and "" for one that sends them itself. An audit that may not
// open network sockets leaves them too: its unit may have a command of its own.
func (a *app) spoolFor(runtimeDir string, errs io.Writer) string {
	switch {
	case a.queueAlerts && credentials() != "":
		fmt.Fprintln(errs, "stackpolicy: credentials are loaded for this audit, but stackpolicy-alerts.service sends the alerts: move LoadCredential= to that unit")
	case a.queueAlerts:
	case probe.Allowed(syscall.AF_INET) != nil:
		fmt.Fprintln(errs, "stackpolicy: this audit may not open network sockets, so it leaves alerts to stackpolicy-alerts.service; say so with --queue-alerts")
	default:
		return ""
	}
	return alerts.SpoolPath(runtimeDir)
}

// isOffline reports whether an audit leaves what needs the network to stackpolicy-alerts.service.
func (a *app) isOffline() bool { return a.queueAlerts || probe.Allowed(syscall.AF_INET) != nil }

// announcement is an audit whose findings are sent to the alert sinks.
type announcement struct {
	store  *history.Store // nil if it could not be opened
	routes []notify.Route
	user   string
	spool  string    // see [alerts.Options]
	now    time.Time // when it is sent
	result audit.Result
	watch  *watch.Health // nil: no watch audits
}

// send sends the alerts and writes the textfile. Errors are printed; they do not change
// the verdict.
func (a announcement) send(ctx context.Context, textfile string, errs io.Writer) {
	for _, n := range a.alert(ctx) {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(n.String()))
	}
	if textfile == "" {
		return
	}
	if err := a.writeTextfile(ctx, textfile); err != nil {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	}
}

func (a announcement) alert(ctx context.Context) []alerts.Notice {
	o := alerts.Options{Routes: a.routes, Steps: report.Steps(a.result.Policies.Invariants(), report.AccountOf(a.result.Document, userName())), Host: "unknown", User: a.user, Now: a.now, Spool: a.spool}
	if host, err := os.Hostname(); err == nil {
		o.Host = host
	}
	if !a.result.Remembered {
		return alerts.RunWithoutMemory(ctx, o, a.result.Report.Open())
	}
	var err error
	if o.Occurrences, err = a.store.Occurrences(ctx, o.Now.Add(-alerts.Memory), maxOccurrences); err != nil {
		return append(alerts.RunWithoutMemory(ctx, o, a.result.Report.Open()), alerts.Notice{Text: err.Error()})
	}
	o.Outbox = a.store
	return alerts.Run(ctx, o)
}

func (a announcement) writeTextfile(ctx context.Context, path string) error {
	around, unread := a.around(ctx)
	err := notify.WriteTextfile(path, func(w io.Writer) error {
		return report.WriteOpenMetrics(w, a.result.Report, report.Options{Around: around})
	})
	return errors.Join(err, unread)
}

func (a announcement) around(ctx context.Context) (m report.Around, err error) {
	m = report.Around{User: a.user, Duration: a.result.Duration, Watch: a.watch}
	if a.store == nil {
		return m, nil
	}
	if m.LastSuccess, err = alerts.LastSuccess(ctx, a.store, a.now); err != nil {
		return m, err
	}
	left := time.Time{}
	if a.spool != "" {
		left = a.now
	}
	if m.Waiting, err = alerts.Waiting(ctx, a.store, a.now, left); err != nil {
		return m, err
	}
	m.Dropped, err = a.store.Dropped(ctx)
	return m, err
}
