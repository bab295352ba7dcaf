package docs

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const picturePath = "eval.svg"

// TestPicture: the README's picture shows the program's output. -update draws it
// again.
func TestPicture(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "stackpolicy"), "eval", "--facts", "../testdata/facts/page.json")
	cmd.Env = []string{"HOME=" + t.TempDir()}
	out, err := cmd.Output()
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		t.Fatalf("exit status %d, want 2: %v", code, err)
	}
	want := picture("stackpolicy eval", string(out))
	if *update {
		if err := os.WriteFile(picturePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(picturePath)
	if err != nil {
		t.Fatal(err)
	}
	if uncounted(string(got)) != uncounted(want) {
		t.Errorf("%s is not what the program prints; run: go test ./docs -run TestPicture -update", picturePath)
	}
}

// Sizes of the picture, in pixels. A terminal's font is 0.6 em wide.
const (
	fontSize   = 14
	lineHeight = 20
	charWidth  = 8.43
	margin     = 16
)

// The colours of a dark and of a light terminal, each readable on its ground.
const pictureStyle = `text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:#1f2328}
rect{fill:#f6f8fa;stroke:#d1d9e0}.bold{font-weight:bold}.page{fill:#c1121f;font-weight:bold}.ticket{fill:#8a5a00;font-weight:bold}.next{fill:#0a6470}.dim{fill:#59636e}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#0d1117;stroke:#3d444d}.page{fill:#ff7b72}.ticket{fill:#e3b341}.next{fill:#56d4dd}.dim{fill:#9198a1}}`

// picture draws a command and its output as a terminal shows them.
func picture(command, output string) string {
	lines := append([]string{"$ " + command}, strings.Split(strings.TrimRight(output, "\n"), "\n")...)
	width, height := 80*charWidth+2*margin, len(lines)*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", html.EscapeString(command), pictureStyle)
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%.0f" height="%d" rx="8"/>`+"\n", width-1, height-1)
	for i, line := range lines {
		fmt.Fprintf(&b, `<text x="%d" y="%d" xml:space="preserve">%s</text>`+"\n", margin, margin+fontSize+i*lineHeight, coloured(line))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// colours has the words that the terminal shows in colour, by class.
var colours = []struct {
	class   string
	pattern *regexp.Regexp
}{
	{"dim", regexp.MustCompile(`^\$ .*`)},
	{"bold", regexp.MustCompile(`^[\w@-]+\.service$|^host$`)},
	{"page", regexp.MustCompile(`^ +PAGE\b|^CRITICAL\b`)},
	{"ticket", regexp.MustCompile(`^ +(TICKET|HEAL)\b|^WARNING\b`)},
	{"next", regexp.MustCompile(`^ +next:`)},
}

func coloured(line string) string {
	for _, c := range colours {
		if at := c.pattern.FindStringIndex(line); at != nil {
			return fmt.Sprintf(`<tspan class="%s">%s</tspan>%s`, c.class, html.EscapeString(line[:at[1]]), html.EscapeString(line[at[1]:]))
		}
	}
	return html.EscapeString(line)
}
