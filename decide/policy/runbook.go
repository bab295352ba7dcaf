package policy

import (
	"fmt"
	"strconv"
	"strings"

	"stackpolicy/finding"
	"stackpolicy/internal/lazyregexp"
	"stackpolicy/internal/systemd"
)

// Runbook says what to do about an invariant's findings, in Markdown. Reports print the
// numbered steps below "## How to mend": those below "### CASE" for a case of the evidence,
// or those below "### any".
type Runbook struct {
	File  string // relative to the policy folder
	Text  string
	Cases map[string][]Step
}

// Step is one numbered step, and the line it begins at.
type Step struct {
	Line int
	Text string
}

// ActivateKey and HomeManagerKey are placeholders of every runbook: how what is declared
// gets back to its place, by Home Manager or without it; and the NixOS module's unit for the
// account.
const (
	ActivateKey    = "activate"
	HomeManagerKey = "home_manager"
)

// AnyCase is the heading for cases without a heading of their own.
const AnyCase = "any"

var numbered = lazyregexp.New(`^\s{0,3}\d+[.)]\s+(.*)$`)

// parseRunbook reads the steps of each case. A continuation line is joined to its step.
func parseRunbook(file, text string) Runbook {
	r := Runbook{File: file, Text: text, Cases: map[string][]Step{}}
	mending, name := false, ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " \t\r")
		switch {
		case strings.HasPrefix(line, "### "):
			name = strings.TrimSpace(line[4:])
			if mending && r.Cases[name] == nil {
				r.Cases[name] = []Step{}
			}
		case strings.HasPrefix(line, "## ") || strings.HasPrefix(line, "# "):
			mending, name = strings.TrimSpace(strings.TrimLeft(line, "#")) == "How to mend", ""
		case mending && name != "":
			r.Cases[name] = addLine(r.Cases[name], i+1, line)
		}
	}
	return r
}

func addLine(steps []Step, number int, line string) []Step {
	if m := numbered.Get().FindStringSubmatch(line); m != nil {
		return append(steps, Step{number, m[1]})
	}
	if rest := strings.TrimSpace(line); rest != "" && len(steps) > 0 {
		steps[len(steps)-1].Text += " " + rest
	}
	return steps
}

// Account is whose findings steps are for.
type Account struct {
	Name string
	// NoHomeManager: the user's unit folder is itself the declaration.
	NoHomeManager bool
	// NixOS: the NixOS module activates Home Manager for the account.
	NixOS bool
}

// unit returns the name of the unit with which the NixOS module activates.
func (a Account) unit() string { return "home-manager-" + systemd.Escape(a.Name) + ".service" }

// restores says how what is declared gets back to its place: the value of the
// placeholder {activate}.
func (a Account) restores() string {
	restart := "`sudo systemctl restart {" + HomeManagerKey + "}`"
	switch {
	case a.NoHomeManager:
		return "put it back as your dotfiles have it"
	case a.NixOS:
		return "activate: " + restart
	}
	return "activate: `home-manager switch` (NixOS module: " + restart + ")"
}

// inStep replaces {activate} and {home_manager} in a step.
func (a Account) inStep(step string) string {
	const placeholder = "{" + ActivateKey + "}"
	restores := a.restores()
	if rest, first := strings.CutPrefix(step, placeholder); first {
		step = strings.ToUpper(restores[:1]) + restores[1:] + rest
	}
	step = strings.ReplaceAll(step, placeholder, restores)
	return strings.ReplaceAll(step, "{"+HomeManagerKey+"}", shellQuote(a.unit()))
}

// Steps returns what to do about a finding. Placeholders are filled in from the
// evidence, {unit} also from the subject, {activate} and {home_manager} from the account;
// inside backticks values are quoted for the shell.
func (r Runbook) Steps(subject string, evidence map[string]any, a Account) []string {
	name, _ := evidence["case"].(string)
	steps, ok := r.Cases[name]
	switch {
	case ok:
	case name == finding.CaseGap || name == finding.CaseError:
		return builtinSteps(name, subject, evidence)
	default:
		steps = r.Cases[AnyCase]
	}
	texts := make([]string, len(steps))
	for i, s := range steps {
		texts[i] = fill(a.inStep(s.Text), subject, evidence)
	}
	return texts
}

// builtinSteps returns the steps for an invariant that could not be decided. They are the
// same for all: first the audit must be able to decide.
func builtinSteps(name, subject string, evidence map[string]any) []string {
	steps := []string{
		"See why the collector {collector} failed: the message has the reason.",
		"Mend that, then audit again: `stackpolicy eval`.",
	}
	if name == finding.CaseError {
		steps = []string{
			"See what is wrong with the rule in {file}: the message says it.",
			"Mend the rule, test it with `opa test`, then audit again: `stackpolicy eval`.",
		}
	}
	for i := range steps {
		steps[i] = fill(steps[i], subject, evidence)
	}
	return steps
}

// Braces matches the braces in a step. {{…}}, a template of podman, and ${…}, a variable of
// the shell, are plain text.
var Braces = lazyregexp.New(`\{\{[^}]*\}\}|\$\{[^}]*\}|\{[^{}]*\}`)

var identifier = lazyregexp.New(`^\{([a-z][a-z0-9_]*)\}$`)

// Placeholder returns the name in {name}, "" for braces that are plain text, and an error for
// other braces.
func Placeholder(match string) (string, error) {
	if strings.HasPrefix(match, "{{") || strings.HasPrefix(match, "$") {
		return "", nil
	}
	if m := identifier.Get().FindStringSubmatch(match); m != nil {
		return m[1], nil
	}
	return "", fmt.Errorf("%s is not a placeholder; want {unit} or {key} of a key of the evidence", match)
}

// fill replaces the placeholders of one step.
func fill(text, subject string, evidence map[string]any) string {
	var out strings.Builder
	last := 0
	for _, at := range Braces.Get().FindAllStringIndex(text, -1) {
		out.WriteString(text[last:at[0]])
		last = at[1]
		name, err := Placeholder(text[at[0]:at[1]])
		if err != nil || name == "" {
			out.WriteString(text[at[0]:at[1]])
			continue
		}
		inCode := strings.Count(text[:at[0]], "`")%2 == 1
		out.WriteString(substitute(name, subject, evidence, inCode))
	}
	out.WriteString(text[last:])
	return out.String()
}

// substitute returns a placeholder's value. If the evidence has none, it returns a text that
// says so and that a shell does not accept.
func substitute(name, subject string, evidence map[string]any, inCode bool) string {
	values, ok := scalars(evidence[name])
	if !ok && name == "unit" && subject != finding.Host {
		values, ok = []string{subject}, true
	}
	if !ok {
		return fmt.Sprintf("(%s unknown)", name)
	}
	if !inCode {
		return strings.Join(values, ", ")
	}
	for i, value := range values {
		values[i] = shellQuote(value)
	}
	return strings.Join(values, " ")
}

// scalars returns the texts of a scalar, or of a list of scalars.
func scalars(value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, scalar := ScalarText(item)
		if !scalar {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, len(texts) > 0
}

// ScalarText returns a string, number or truth value as text.
func ScalarText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case fmt.Stringer: // json.Number
		return v.String(), true
	case int, int64, float64:
		return fmt.Sprint(v), true
	}
	return "", false
}

var shellSafe = lazyregexp.New(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellQuote quotes a value as one word of a POSIX shell, or of bash if it has control
// characters.
func shellQuote(s string) string {
	if shellSafe.Get().MatchString(s) {
		return s
	}
	if !strings.ContainsFunc(s, isControl) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var out strings.Builder
	out.WriteString("$'")
	for _, b := range []byte(s) {
		switch {
		case b == '\'' || b == '\\':
			out.WriteString(`\` + string(rune(b)))
		case isControl(rune(b)):
			fmt.Fprintf(&out, `\x%02x`, b)
		default:
			out.WriteByte(b)
		}
	}
	return out.String() + "'"
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }
