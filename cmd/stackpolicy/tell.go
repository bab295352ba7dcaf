package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"stackpolicy/alerts"
	"stackpolicy/alerts/notify"
	"stackpolicy/audit"
	"stackpolicy/config"
	"stackpolicy/facts/collect"
	"stackpolicy/history"
	"stackpolicy/internal/text"
	"stackpolicy/report"
)

// maxStandings is more than stands on any machine that can still be mended.
const maxStandings = 10_000

// routes are made before an audit, so that a mistake in them is told at once.
func routes(c config.Config) ([]notify.Route, error) {
	list, err := c.Alerts.Routes(notify.Environment{
		Credentials: os.Getenv("CREDENTIALS_DIRECTORY"), Client: notify.Client(), Clock: time.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", config.Path(collect.ConfigHome()), err)
	}
	return list, nil
}

// telling is an audit whose findings go out.
type telling struct {
	store  *history.Store // nil if it could not be opened
	routes []notify.Route
	user   string
	result audit.Result
}

// tell sends alerts and writes the textfile. What does not work is said, and
// changes no verdict.
func (t telling) tell(ctx context.Context, textfile string, errs io.Writer) {
	for _, n := range t.alert(ctx) {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(n.String()))
	}
	if textfile == "" {
		return
	}
	if err := t.writeTextfile(ctx, textfile); err != nil {
		fmt.Fprintf(errs, "stackpolicy: %s\n", text.CleanBlock(err.Error()))
	}
}

func (t telling) alert(ctx context.Context) []alerts.Notice {
	o := alerts.Options{Routes: t.routes, Steps: steps(t.result.Policies.Invariants()), Host: "unknown", User: t.user, Now: time.Now()}
	if host, err := os.Hostname(); err == nil {
		o.Host = host
	}
	if !t.result.Remembered {
		return alerts.RunWithoutMemory(ctx, o, t.result.Report.Decisions)
	}
	var err error
	if o.Standings, err = t.store.Standings(ctx, o.Now.Add(-alerts.Memory), maxStandings); err != nil {
		return append(alerts.RunWithoutMemory(ctx, o, t.result.Report.Decisions), alerts.Notice{Text: err.Error()})
	}
	o.Outbox = t.store
	return alerts.Run(ctx, o)
}

func (t telling) writeTextfile(ctx context.Context, path string) error {
	around, unread := t.around(ctx)
	err := notify.WriteTextfile(path, func(w io.Writer) error {
		return report.WriteOpenMetrics(w, t.result.Report, report.Options{Around: around})
	})
	return errors.Join(err, unread)
}

func (t telling) around(ctx context.Context) (a report.Around, err error) {
	now := time.Now()
	a = report.Around{User: t.user, Duration: t.result.Duration}
	if t.store == nil {
		return a, nil
	}
	if a.LastSuccess, err = alerts.LastSuccess(ctx, t.store, now); err != nil {
		return a, err
	}
	if a.Waiting, err = alerts.Waiting(ctx, t.store, now); err != nil {
		return a, err
	}
	a.Dropped, err = t.store.Dropped(ctx)
	return a, err
}
