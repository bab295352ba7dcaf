package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackpolicy/internal/compose"
)

// rehearse finds out whether a provider can run the model, and changes nothing. notes are
// what it leaves out that a container can do without. The zero provider is the engine.
func rehearse(ctx context.Context, provider compose.Provider, model compose.Model, environ []string, folder string) (problems []Problem, notes []string) {
	if len(provider.Argv) == 0 {
		for _, l := range model.EngineLimits() {
			problems = append(problems, Problem{Outcome: NoProvider, Message: "stackctl's engine does not support " + l.Place, Hint: l.Hint})
		}
		return problems, nil
	}
	version, err := provider.Version(ctx)
	if err != nil {
		return nil, []string{"whether the provider can run the compose files is not known: " + firstLine(err)}
	}
	limits, err := model.Limits(version)
	if err != nil {
		return []Problem{{Outcome: Broken, Message: "the compose files cannot be written for " + version, Details: lines(err)}}, nil
	}
	for _, l := range limits {
		if l.Required {
			problems = append(problems, unable(fmt.Sprintf("%s does not support %s", version, l.Place), l.Hint))
		} else {
			notes = append(notes, fmt.Sprintf("%s ignores %s", version, l.Place))
		}
	}
	if len(problems) > 0 {
		return problems, notes
	}
	if !provider.CanRehearse() {
		return nil, append(notes, "whether "+provider.String()+" can run the compose files is not known before it does")
	}
	err = provider.Rehearse(ctx, version, model, environ, folder)
	switch {
	case errors.As(err, new(compose.Refusal)):
		problems = append(problems, unable(fmt.Sprintf("%s cannot run the compose files: %s", version, firstLine(err)), ""))
	case err != nil:
		problems = append(problems, unable("whether the provider can run the compose files cannot be found out: "+firstLine(err), "try: "+provider.String()+" version"))
	}
	return problems, notes
}

const otherwise = "or have stackctl's own engine apply the stack: no provider in config.yaml, and no auto-updated service"

// unable is a problem of the provider. hint is what to write instead, or "".
func unable(message, hint string) Problem {
	return Problem{Outcome: NoProvider, Message: message, Hint: strings.TrimPrefix(hint+"; "+otherwise, "; or ")}
}
