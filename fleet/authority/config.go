package authority

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"slices"
	"text/template"
)

// Node is one server of an operator's own cluster.
type Node struct {
	Name        string   // of the server, unlike all others
	Listen      string   // HOST:PORT for hosts and the hub
	Routes      string   // HOST:PORT for the other servers; "" is a server alone
	Others      []string // HOST:PORT of the others' routes
	Data        string   // folder of the streams and accounts
	Certificate string   // files in PEM: of the server, its key, and the authority of the others
	Key         string
	Authority   string
}

// nodeConfig is a configuration of nats-server. All servers know the same operator and accounts.
var nodeConfig = template.Must(template.New("").Parse(`# A server of a fleet's hub, made by: stackfleet broker-config
# All servers have the same file, but for server_name, listen and cluster.
server_name: {{printf "%q" .Node.Name}}
listen: {{printf "%q" .Node.Listen}}
max_payload: 1MB

tls {
  cert_file: {{printf "%q" .Node.Certificate}}
  key_file: {{printf "%q" .Node.Key}}
  min_version: "1.3"
}

# What is acknowledged is on the disk.
jetstream {
  store_dir: {{printf "%q" .Node.Data}}
  sync_interval: always
}
{{if .Node.Routes}}
cluster {
  name: "stackfleet"
  listen: {{printf "%q" .Node.Routes}}
  routes: [{{range .Others}}
    {{printf "%q" .}}{{end}}
  ]
  tls {
    cert_file: {{printf "%q" .Node.Certificate}}
    key_file: {{printf "%q" .Node.Key}}
    ca_file: {{printf "%q" .Node.Authority}}
    verify: true
  }
}
{{end}}
# Who may connect. Nothing here is secret. Accounts change while the servers run: the newest
# is in the resolver's folder.
operator: "{{.Operator}}"
resolver {
  type: full
  dir: {{printf "%q" .Accounts}}
  allow_delete: false
}
resolver_preload {
{{range .Preload}}  {{.ID}}: "{{.JWT}}"
{{end}}}
`))

// Config returns the configuration of a server of an operator's own cluster. Nothing in it is
// secret.
func (a *Authority) Config(n Node) (string, error) {
	var others []string
	for _, o := range n.Others {
		if _, _, err := net.SplitHostPort(o); err != nil {
			return "", fmt.Errorf("%q is no address of a server: want HOST:PORT", o)
		}
		others = append(others, "tls://"+o)
	}
	var preload []Account
	accounts := a.Accounts()
	for _, id := range slices.Sorted(maps.Keys(accounts)) {
		preload = append(preload, Account{id, accounts[id]})
	}
	var b bytes.Buffer
	err := nodeConfig.Execute(&b, map[string]any{
		"Node": n, "Others": others, "Operator": a.Operator, "Accounts": n.Data + "/accounts", "Preload": preload,
	})
	return b.String(), err
}
