package alarm

import (
	"fmt"
	"time"

	"stackpolicy/finding"
	"stackpolicy/fleet/overview"
)

// What the hub tells, in the place of invariants.
const (
	heard    = "source_heard"
	trusted  = "source_trusted"
	audits   = "source_audits"
	complete = "evidence_complete"
	clock    = "clock_right"
	kept     = "release_kept"
	goesOn   = "release_goes_on"
	valid    = "signature_valid"
)

// How long a source may take to send for the first time, and how long before its end people are
// told of a signature.
const (
	firstEvidence = time.Hour
	soon          = 14 * 24 * time.Hour
)

// Findings returns what is wrong with a fleet that only the hub can see.
func Findings(f overview.Fleet) []finding.Finding {
	list := []finding.Finding{}
	for _, r := range f.Sources {
		list = append(list, ofSource(r, f.At)...)
	}
	for _, c := range f.Channels {
		if c.Halted {
			list = append(list, found(goesOn, c.Name, finding.Ticket, fmt.Sprintf("release %d of channel %s is halted: %s", c.Version, c.Name, c.Reason)))
		}
	}
	for _, e := range f.Ends {
		switch left := e.At.Sub(f.At); {
		case left <= 0:
			list = append(list, found(valid, e.What, finding.Page, e.What+" expired: hosts take nothing new. "+e.Do))
		case left < soon:
			list = append(list, found(valid, e.What, finding.Ticket, fmt.Sprintf("%s expires on %s. %s", e.What, e.At.UTC().Format(time.DateOnly), e.Do)))
		}
	}
	return list
}

// ofSource returns what is wrong with a source. One that is revoked is nobody's concern. A page or
// a ticket of it is told by the host, and so is that it could not decide.
func ofSource(r overview.Row, now time.Time) (list []finding.Finding) {
	if r.Revoked != nil {
		return nil
	}
	subject := r.Host + " " + r.User
	for _, c := range r.Causes {
		switch {
		case c.State == overview.Untrusted:
			list = append(list, found(trusted, subject, finding.Page, subject+" is not trusted: "+c.Why))
		case c.State == overview.Silent:
			list = append(list, found(heard, subject, finding.Page, fmt.Sprintf("nothing was received of %s since %s", subject, r.Received.UTC().Format("2006-01-02 15:04 UTC"))))
		case c.State == overview.Never && now.Sub(r.Enrolled) > firstEvidence:
			list = append(list, found(heard, subject, finding.Ticket, subject+" is enrolled, and has never sent anything"))
		case c.State == overview.Gap && r.Beat.Waiting == 0: // else it sends them
			list = append(list, found(complete, subject, finding.Ticket, fmt.Sprintf("%d envelopes of %s are missing, and it has none to send", r.CountMissing(), subject)))
		case c.State == overview.BadClock:
			list = append(list, found(clock, subject, finding.Ticket, subject+": "+c.Why))
		}
	}
	if overview.IsAuditLate(r.Source, now) {
		list = append(list, found(audits, subject, finding.Page, fmt.Sprintf("%s sends, and has not audited since %s", subject, r.Beat.Audited.UTC().Format("2006-01-02 15:04 UTC"))))
	}
	if on := r.Beat.Release; on != nil && on.Stage == overview.Back {
		list = append(list, found(kept, subject, finding.Ticket, fmt.Sprintf("%s went back from a release of %s: %s", subject, on.Channel, on.Problem)))
	}
	return list
}

func found(invariant, subject string, severity finding.Severity, message string) finding.Finding {
	return finding.Finding{Invariant: invariant, Subject: subject, Effect: finding.Block, Severity: severity, Message: message, Evidence: map[string]any{"case": invariant}}
}

// steps says what to do about a finding.
func steps(f finding.Finding) []string {
	return map[string][]string{
		heard:    {"On the host, see whether it audits and may connect: `stackpolicy status`", "If it is gone for good, on the hub: `stackfleet revoke HOST`"},
		trusted:  {"Find out who has the key: a cloned machine, or a host that was brought back from a copy", "On the hub: `stackfleet revoke HOST`; then enroll each host again"},
		audits:   {"On the host: `systemctl --user status stackpolicy-audit.timer stackpolicy-watch.service`"},
		complete: {"They are lost: see `stackfleet verify`. To accept that, on the hub: `stackfleet accept HOST`"},
		clock:    {"On the host: `timedatectl`"},
		kept:     {"See why, on the hub: `stackfleet status`", "Before more hosts take it: `stackfleet release halt CHANNEL`"},
		goesOn:   {"See what then, on the hub: `stackfleet release status`"},
		valid:    {"See what is to be signed, on the hub: `stackfleet release status`"},
	}[f.Invariant]
}
