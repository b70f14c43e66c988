package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
)

// statementCache is a database/sql driver's connector whose connections keep the
// statements that they prepared: SQLite's driver parses and plans a statement again
// each time it runs, which is a quarter of the work of an import. PostgreSQL's
// driver keeps them by itself.
type statementCache struct {
	driver driver.Driver
	name   string
}

// statementsKept is how many different statements a connection keeps.
const statementsKept = 256

// Connect implements driver.Connector.
func (c statementCache) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.name)
	if err != nil {
		return nil, err
	}
	full, ok := conn.(fullConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver lacks a part of database/sql/driver"), conn.Close())
	}
	return &cachedConn{fullConn: full, idle: map[string]fullStmt{}}, nil
}

// Driver implements driver.Connector.
func (c statementCache) Driver() driver.Driver { return c.driver }

// fullConn is what SQLite's driver implements of a connection, and cachedConn has to.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// cachedConn is a connection with the statements that nothing uses now. Like each
// connection of database/sql it is used by one goroutine at a time.
type cachedConn struct {
	fullConn
	idle map[string]fullStmt
}

// ExecContext implements driver.ExecerContext.
func (c *cachedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if !cacheable(query) {
		return c.fullConn.ExecContext(ctx, query, args)
	}
	stmt, err := c.acquire(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := stmt.ExecContext(ctx, args)
	return result, errors.Join(err, c.release(query, stmt, err))
}

// QueryContext implements driver.QueryerContext.
func (c *cachedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if !cacheable(query) {
		return c.fullConn.QueryContext(ctx, query, args)
	}
	stmt, err := c.acquire(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, c.release(query, stmt, err))
	}
	typed, ok := rows.(typedRows)
	if !ok {
		return nil, errors.Join(errors.New("the driver's rows have no types"), rows.Close(), stmt.Close())
	}
	return &cachedRows{typedRows: typed, conn: c, query: query, stmt: stmt}, nil
}

// Close implements driver.Conn.
func (c *cachedConn) Close() error {
	return errors.Join(c.discard(), c.fullConn.Close())
}

// cacheable reports whether a statement is worth keeping: what changes the schema, and
// what is several statements, runs once.
func cacheable(query string) bool {
	verb, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	switch strings.ToUpper(verb) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return !strings.Contains(query, ";")
	}
	return false
}

// acquire returns a prepared statement that nothing else uses: rows of the same
// statement may be open still.
func (c *cachedConn) acquire(ctx context.Context, query string) (fullStmt, error) {
	if stmt, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return stmt, nil
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	full, ok := stmt.(fullStmt)
	if !ok {
		return nil, errors.Join(errors.New("the driver's statements take no context"), stmt.Close())
	}
	return full, nil
}

// release keeps a statement for the next one who runs it, unless it failed.
func (c *cachedConn) release(query string, stmt fullStmt, failed error) error {
	if _, twice := c.idle[query]; twice || failed != nil {
		return stmt.Close()
	}
	var err error
	if len(c.idle) >= statementsKept {
		err = c.discard()
	}
	c.idle[query] = stmt
	return err
}

func (c *cachedConn) discard() error {
	var err error
	for query, stmt := range c.idle {
		err = errors.Join(err, stmt.Close())
		delete(c.idle, query)
	}
	return err
}

// typedRows is what SQLite's driver implements of rows, but for what nothing asks.
type typedRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypeLength
	driver.RowsColumnTypePrecisionScale
}

// cachedRows gives its statement back when it is closed.
type cachedRows struct {
	typedRows
	conn  *cachedConn
	query string
	stmt  fullStmt
}

// Close implements driver.Rows.
func (r *cachedRows) Close() error {
	err := r.typedRows.Close()
	if r.stmt != nil {
		err = errors.Join(err, r.conn.release(r.query, r.stmt, err))
		r.stmt = nil
	}
	return err
}
