package memory

// NewJournaled is New with a journal for files of any size.
func NewJournaled(cfg Config) (*Connector, error) {
	c, err := New(cfg)
	if err == nil {
		c.file.large = 1
	}
	return c, err
}
