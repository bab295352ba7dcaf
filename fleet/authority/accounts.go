package authority

import (
	"strings"

	"github.com/nats-io/jwt/v2"

	"stackpolicy/fleet"
)

// Limits of a connection. A server of NATS does not bound how much a user publishes: the
// stream's limits do (package streams).
const (
	maxPayload   = 1 << 20
	maxSubs      = 16
	maxEnrollee  = 16 << 10 // bytes of a request to be enrolled
	maxConnected = 20_000   // hosts at once, so that one that opens many cannot use up all memory
)

// inbox is where answers to a connection go. No two have the same public nkey.
const inbox = "_INBOX.{{subject()}}.>"

// directGet reads the last message of a subject of the stream FLEET.
const directGet = "$JS.API.DIRECT.GET.FLEET."

// toHosts are the subjects of the account FLEET that the account HOSTS may publish by.
func toHosts(org string) []string {
	return []string{"evidence.*.*.*", directGet + "watermark.*.*.*", releases(org), "enroll.*"}
}

// releases is how a host reads the files of releases.
func releases(org string) string {
	subject, err := fleet.Source{Org: org, Host: "h", User: "u"}.Subject()
	if err != nil {
		panic(err) // Make checked it
	}
	return directGet + "release." + strings.Split(subject, ".")[1] + ".>"
}

func operatorOf(id, system string) *jwt.OperatorClaims {
	c := jwt.NewOperatorClaims(id)
	c.Name, c.SystemAccount = "stackfleet", system
	return c
}

// systemAccount exports nothing: only the hub itself changes accounts.
func systemAccount(id string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(id)
	c.Name = "SYSTEM"
	return c
}

func fleetAccount(id, org string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(id)
	c.Name = "FLEET"
	c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	for _, subject := range toHosts(org) {
		c.Exports.Add(&jwt.Export{Name: subject, Subject: jwt.Subject(subject), Type: jwt.Service, ResponseType: jwt.ResponseTypeSingleton})
	}
	return c
}

// hostsAccount has the organisation as its description.
func hostsAccount(id, exporter, org, hosts, enrollees string) *jwt.AccountClaims {
	c := jwt.NewAccountClaims(id)
	c.Name, c.Description = "HOSTS", org
	c.Limits.Conn, c.Limits.Payload, c.Limits.DisallowBearer = maxConnected, maxPayload, true
	for _, subject := range toHosts(org) {
		c.Imports.Add(&jwt.Import{Name: subject, Subject: jwt.Subject(subject), LocalSubject: jwt.RenamingSubject(subject), Account: exporter, Type: jwt.Service})
	}
	c.SigningKeys.AddScopedSigner(scope(hosts, "host", maxSubs, maxPayload,
		"evidence.{{name()}}", directGet+"watermark.{{name()}}", releases(org)))
	c.SigningKeys.AddScopedSigner(scope(enrollees, "enrollee", 4, maxEnrollee, "enroll.{{name()}}"))
	return c
}

// scope allows users that a key signs to publish by some subjects and to get answers, whatever
// the user's own JWT says.
func scope(key, role string, subs, payload int64, publish ...string) *jwt.UserScope {
	s := jwt.NewUserScope()
	s.Key, s.Role = key, role
	s.Template.Pub.Allow, s.Template.Sub.Allow = publish, []string{inbox}
	s.Template.Subs, s.Template.NatsLimits.Payload = subs, payload
	s.Template.AllowedConnectionTypes = []string{jwt.ConnectionTypeStandard}
	return s
}
