package questions

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"stackpolicy/decide"
	"stackpolicy/decide/policy"
	"stackpolicy/decide/query"
	"stackpolicy/fleet/archive"
	"stackpolicy/fleet/streams"
	"stackpolicy/history"
	"stackpolicy/replay"
)

// Worker takes shards of questions, and answers them from an archive on its disk.
type Worker struct {
	Archive   *archive.Archive // may be open read-only
	JetStream jetstream.JetStream
	Name      string
	// Load loads rules, with a memory of what they decided.
	Load func(ctx context.Context, files []policy.File, m decide.Memory) (*decide.Policies, error)
	// Present loads the rules that decide where those of then are not kept.
	Present func(ctx context.Context, m decide.Memory) (*decide.Policies, error)
	Log     func(line string) // what goes wrong; not nil
	Limit   time.Duration     // on one source, shorter than anybody's patience; 0 is five minutes
}

// limit is for a host of which the facts make rules slow: the question goes on without it.
const limit = 5 * time.Minute

func (w Worker) limit() time.Duration { return cmp.Or(w.Limit, limit) }

// Work answers until the context ends. What goes wrong is logged and tried again.
func Work(ctx context.Context, w Worker) error {
	s := session{Worker: w, memory: decide.NewMemory()}
	defer s.close()
	_ = s.present(ctx) // before anybody asks; a question says why it cannot be
	for ctx.Err() == nil {
		if err := s.take(ctx); err != nil && ctx.Err() == nil {
			w.Log(err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(time.Second): // a cluster may be without a leader
			}
		}
	}
	return nil
}

// take answers shards until something goes wrong.
func (s *session) take(ctx context.Context) error {
	c, err := s.JetStream.Consumer(ctx, streams.Work, streams.Workers)
	if err != nil {
		return fmt.Errorf("take work: %w", err)
	}
	for ctx.Err() == nil {
		batch, err := c.Fetch(1, jetstream.FetchMaxWait(2*time.Second))
		if err != nil {
			return fmt.Errorf("take work: %w", err)
		}
		for m := range batch.Messages() {
			s.answer(ctx, m)
		}
		if err := batch.Error(); err != nil {
			return fmt.Errorf("take work: %w", err)
		}
	}
	return nil
}

// session keeps what questions share, which are the present rules and what any rules decided of
// which facts, and what the shards of one question share.
type session struct {
	Worker
	memory decide.Memory
	before *decide.Policies

	job   Job
	after *decide.Policies
	then  rulebooks
	query query.Query
	end   context.CancelFunc // of the processes of its rules; nil: it has none
}

// close ends the processes of the rules.
func (s *session) close() {
	if s.end != nil {
		s.end()
	}
}

// answer does one shard. Meanwhile it says every now and then that it works.
func (s *session) answer(ctx context.Context, m jetstream.Msg) {
	var w work
	if err := unpack(m.Data(), &w); err != nil {
		s.Log(err.Error())
		_ = m.Term()
		return
	}
	busy, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		for tick := time.NewTicker(streams.TakeAgain / 4); ; {
			select {
			case <-busy.Done():
				tick.Stop()
				return
			case <-tick.C:
				_ = m.InProgress()
			}
		}
	}()
	end := answer{Shard: w.Shard, Worker: s.Name, Try: rand.Text(), Done: true}
	post := posts{JetStream: s.JetStream}
	err := s.open(ctx, w.Job)
	if err == nil {
		err = s.shard(ctx, w, &end, &post)
	}
	if ctx.Err() != nil {
		_ = m.Nak() // another worker does it
		return
	}
	if err != nil {
		end.Problem = err.Error()
		s.Log(fmt.Sprintf("shard %d of %s: %v", w.Shard, w.Job, err))
	}
	if err := conclude(ctx, w.Job, end, &post); err != nil {
		if ctx.Err() == nil {
			s.Log(err.Error())
		}
		_ = m.NakWithDelay(time.Second)
		return
	}
	_ = m.Ack() // if it gets lost the shard is answered twice, of which one counts
}

// conclude sends that a shard is done, after all of its answers are stored.
func conclude(ctx context.Context, job string, end answer, post *posts) error {
	if err := post.wait(ctx); err != nil {
		return err
	}
	if err := publish(post, job, end); err != nil {
		return err
	}
	return post.wait(ctx)
}

// open reads the job, and loads what it asks with, once.
func (s *session) open(ctx context.Context, id string) error {
	if s.job.ID == id {
		return nil
	}
	stream, err := s.JetStream.Stream(ctx, streams.Answers)
	if err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, "job."+id)
	if err != nil {
		return fmt.Errorf("read the question: %w", err)
	}
	s.close()
	*s = session{Worker: s.Worker, memory: s.memory, before: s.before}
	next := *s
	if err = unpack(m.Data, &next.job); err == nil {
		err = next.load(ctx)
	}
	if err != nil {
		next.close()
		return err
	}
	*s = next
	return nil
}

// present loads the present rules, once.
func (s *session) present(ctx context.Context) (err error) {
	if s.before == nil {
		s.before, err = s.Present(ctx, s.memory)
	}
	return err
}

// load loads what the job asks with. Processes of rules live until the session is closed.
func (s *session) load(ctx context.Context) (err error) {
	if s.job.Query != "" {
		s.query, err = query.Prepare(ctx, s.job.Query)
		return err
	}
	if err := s.present(ctx); err != nil {
		return err
	}
	ctx, s.end = context.WithCancel(ctx)
	load, memory := s.Load, s.memory
	s.then = rulebooks{life: ctx, present: s.before, load: func(life context.Context, files []policy.File) (*decide.Policies, error) {
		return load(life, files, memory)
	}}
	s.after, err = load(ctx, s.job.Rules, memory)
	return err
}

func (s *session) shard(ctx context.Context, w work, end *answer, post *posts) error {
	memories, err := s.Archive.MemoriesOf(ctx, w.Shard)
	if err != nil {
		return err
	}
	for _, m := range memories {
		a := answer{Shard: w.Shard, Worker: s.Name, Try: end.Try}
		limited, cancel := context.WithTimeoutCause(ctx, s.limit(), fmt.Errorf("it took longer than %s", s.limit()))
		if s.job.Query != "" {
			of := s.ask(limited, m)
			a.Answer = &of
		} else {
			of := s.impact(limited, m)
			a.Impact = &of
		}
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := publish(post, w.Job, a); err != nil {
			return err
		}
		end.Count++
	}
	return nil
}

// publish posts an answer. An impact that is too large is sent without its lists.
func publish(post *posts, job string, a answer) error {
	data, err := pack(a)
	if errors.Is(err, errTooLarge) && a.Impact != nil {
		short := shortened(*a.Impact)
		a.Impact = &short
		data, err = pack(a)
	}
	if err == nil {
		err = post.send("answer."+job, data)
	}
	if err != nil {
		return fmt.Errorf("send an answer: %w", err)
	}
	return nil
}

// impact is what `stackpolicy impact` says of a memory.
func (s *session) impact(ctx context.Context, m archive.Memory) SourceImpact {
	out := SourceImpact{Source: m.Source, Key: m.Key.Fingerprint()}
	defer s.then.trim()
	store, err := history.OpenReadOnly(ctx, m.Home)
	if err == nil {
		defer store.Close()
		o := replay.Options{Since: s.job.Since, Load: s.then.get}
		out.Impact, err = replay.Compare(ctx, replay.Of(store), s.before, s.after, o)
	}
	if err != nil {
		out.Error, out.Impact = because(ctx, err), replay.Impact{}
	}
	return out
}

// ask asks the newest document of a memory.
func (s *session) ask(ctx context.Context, m archive.Memory) SourceAnswer {
	out := SourceAnswer{Source: m.Source, Key: m.Key.Fingerprint()}
	err := func() error {
		store, err := history.OpenReadOnly(ctx, m.Home)
		if err != nil {
			return err
		}
		defer store.Close()
		last, err := store.LastAudit(ctx)
		if err != nil || last == nil {
			return errors.Join(err, errors.New("there was no audit"))
		}
		out.At = last.To
		doc, err := store.Document(ctx, last.DocumentDigest, last.To)
		if err != nil {
			return err
		}
		out.Answers, err = s.query.Ask(ctx, doc)
		return err
	}()
	if err != nil {
		out.Error = because(ctx, err)
	}
	return out
}

// because returns why a source has no answer.
func because(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return err.Error()
}
