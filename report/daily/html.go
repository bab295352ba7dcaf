package daily

import (
	"embed"
	"io"

	"stackpolicy/report/look"
)

//go:embed page.html impact.html page.css
var pages embed.FS

// WriteHTML writes the report as one page that needs nothing else: no script, no
// font, no image, no request.
func WriteHTML(w io.Writer, m Model) error {
	return look.Write(w, pages, nil, m, "page.html", "page.css")
}
