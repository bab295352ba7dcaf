package release

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stackpolicy/fleet"
	"stackpolicy/internal/lazyregexp"
)

// Stage is a part of the hosts: those with all labels of Select, and of them as many as Limit
// says. The zero value is all hosts.
type Stage struct {
	Select map[string]string `json:"select,omitempty"`
	Limit  string            `json:"limit,omitempty"` // such as 10%; "" is no limit
}

var labelText = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// ValidLabel reports whether the text may be the name or the value of a label.
func ValidLabel(text string) bool { return labelText.Get().MatchString(text) }

func (s Stage) check() error {
	if len(s.Select) > maxLabels {
		return fmt.Errorf("select has %d labels; want at most %d", len(s.Select), maxLabels)
	}
	for key, value := range s.Select {
		if !ValidLabel(key) || !ValidLabel(value) {
			return fmt.Errorf("select: %.100q: %.100q is no label; want letters, digits, dots, _ and -", key, value)
		}
	}
	_, err := s.perMille()
	return err
}

// perMille returns the limit in thousandths.
func (s Stage) perMille() (int, error) {
	if s.Limit == "" {
		return 1000, nil
	}
	number, hasSign := strings.CutSuffix(s.Limit, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if !hasSign || err != nil || !(percent > 0 && percent <= 100) {
		return 0, fmt.Errorf("limit: %.100q is no share of the hosts; want for example 10%%", s.Limit)
	}
	return max(1, int(percent*10)), nil
}

// NoStage is the stage of a host that is in no stage of a plan.
const NoStage = -1

// StageOf returns in which of the stages a source is, from 0, or [NoStage]. A host finds it out
// alone, from the signed plan. Which hosts a limit takes is another choice for each version, so
// that not the same host is always the first; of one version a higher limit has all hosts of a
// lower one.
func (p Plan) StageOf(source fleet.Source, labels map[string]string) int {
	share, err := p.share(source)
	if err != nil {
		return NoStage
	}
	for i, s := range p.Stages {
		limit, err := s.perMille()
		if err == nil && share < limit && s.selects(labels) {
			return i
		}
	}
	return NoStage
}

// IsOpen reports whether the release may act on hosts of a stage of [Plan.StageOf].
func (p Plan) IsOpen(stage int) bool { return stage != NoStage && stage < p.OpenStage && !p.Halted }

func (s Stage) selects(labels map[string]string) bool {
	for key, value := range s.Select {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// share is a number from 0 to 999 by which limits choose hosts. It is even enough: two to the
// 64th is nearly a multiple of a thousand.
func (p Plan) share(source fleet.Source) (int, error) {
	subject, err := source.Subject()
	if err != nil {
		return 0, errors.New("a source without a name is in no stage")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "stackpolicy release %s %d %s", p.Channel, p.Version, subject))
	return int(binary.BigEndian.Uint64(sum[:8]) % 1000), nil
}
