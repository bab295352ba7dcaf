package fleet

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"

	"stackpolicy/report/look"
)

//go:embed page.html page.css
var pages embed.FS

//go:embed page.js
var script string

// Policy is the content security policy of the page: its own script, which only filters and says
// that the page is old, and nothing that has to be fetched.
func Policy() string {
	digest := sha256.Sum256([]byte(script))
	return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'; base-uri 'none'; form-action 'none'"
}

// WriteHTML writes the fleet as one page. It needs nothing else, can be read without its script,
// and links to fleet.json and to the pages of sources beside it.
func WriteHTML(w io.Writer, in Input) error {
	funcs := template.FuncMap{"policy": Policy, "script": func() template.JS { return template.JS(script) }}
	return look.Write(w, pages, funcs, build(in), "page.html", "page.css")
}
