"""The rows of a scenario: products, lists, CSV files; what is told of wrong ones; what each case knows of its own."""

import pickle
from functools import partial

import pytest
from compiling import SEED, compiled, problems_in
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import SourceFile
from runner.language.case import Case, Given, Skip, expand
from runner.language.compile import compile_scenario
from runner.language.matrix import MOST_PROBLEMS, MOST_ROWS, secret_values
from runner.language.paths import resolve_inside
from runner.language.project import SecretRef, parse_target
from runner.language.template import Template

STEPS = "steps:\n  - send: NOOP ${user}\n    expect: 250\n"
PASSWORD = "see-your-vault"
USERS = f"user,password,from\nalice,{PASSWORD},a@example.com\nbob,{PASSWORD}2,b@example.com\n"


def texts(scenario):
    """Return the rows as texts."""
    return [
        {name: str(value) if isinstance(value, Template) else value for name, value in row.values.items()}
        for row in scenario.rows
    ]


def cases(scenario, given_values=None, target="smtp://mx.example:2525"):
    """Expand every row; what is wrong is returned in place of the cases."""
    problems = []
    found = [
        expand(scenario, parse_target(target), None, given_values or Given(), seed=SEED, problems=problems, row=row)
        for row in scenario.rows
    ]
    return [problem.render() for problem in problems] or found


def table(tmp_path, text, options="", steps=STEPS):
    """Compile a scenario whose matrix is a file with this text (or these bytes); return it and what is wrong."""
    (tmp_path / "users.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    scenario = f"name: x\nmatrix: {{file: users.csv{options}}}\n{steps}"
    problems = []
    find_file = partial(resolve_inside, tmp_path, tmp_path)
    found = compile_scenario(SourceFile("sub/x.yaml", scenario), find_file, problems)
    return found, [problem.render() for problem in problems]


# Written in the scenario.


def test_lists_by_name_are_their_product():
    """Every value with every other; the last name changes first."""
    scenario = compiled("name: x\nmatrix: {user: [a, b], size: [1, 010]}\n" + STEPS)
    expected = [(user, size) for user in "ab" for size in ("1", "010")]
    assert [{"user": user, "size": size} for user, size in expected] == texts(scenario)


def test_a_list_of_mappings_is_rows():
    """One case a row, values as written."""
    scenario = compiled("name: x\nmatrix:\n  - {user: alice, reply: 250}\n  - {user: '', reply: 553 5.7.1}\n" + STEPS)
    assert [{"user": "alice", "reply": "250"}, {"user": "", "reply": "553 5.7.1"}] == texts(scenario)


def test_a_column_may_be_called_file():
    """Only a text there is the name of a file."""
    assert [{"file": "a", "user": "b"}] == texts(compiled("name: x\nmatrix: {file: [a], user: [b]}\n" + STEPS))


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ("[{user: a}, {usr: b}]", ["2:22: the first row has no 'usr'", "2:21: the row has no 'user'"]),
        ("[{user: a, b: c}, {user: b}]", ["2:27: the row has no 'b'"]),
        ("{user: [a, '${b']}", ["2:21: '${' without its '}'"]),
        ("{user: a}", ["2:16: a text where a list is due"]),
        ("{user: []}", ["2:16: an empty list of values"]),
        ("[]", ["2:9: an empty list"]),
        ("{1x: [a]}", ["2:10: '1x' is no name for a column"]),
        ("x", ["2:9: a text where a mapping or a list is due"]),
        ("{file: none.csv}", ["2:16: there is no file 'none.csv'"]),
        ("{file: /etc/passwd}", ["2:16: '/etc/passwd' is no relative path"]),
        ("{file: a.csv, secret: [x]}", ["2:16: there is no file 'a.csv'", "2:23: unknown key 'secret' beside 'file'"]),
    ],
)
def test_a_wrong_matrix_is_told_at_its_place(matrix, expected):
    """Before anything connects."""
    found = problems_in(f"name: x\nmatrix: {matrix}\nsteps:\n  - expect: 250\n")
    told = {f"{one.span.line}:{one.span.column}: {one.message}" for one in found}
    assert set(expected) <= told, told


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ("{{a: [{ten}], b: [{ten}], c: [{ten}], d: [{ten}], e: [1, 2]}}", "10 × 10 × 10 × 10 × 2 = 20000 rows"),
        ("[{rows}]", f"{MOST_ROWS + 1} rows"),
    ],
    ids=["product", "list"],
)
def test_a_matrix_has_its_limit(matrix, expected):
    """Before the rows are made."""
    text = matrix.format(ten=", ".join("0123456789"), rows=", ".join(["{a: b}"] * (MOST_ROWS + 1)))
    (problem,) = problems_in(f"name: x\nmatrix: {text}\nsteps:\n  - expect: 250\n")
    assert (f"a matrix of {expected}", f"each row is a case; at most {MOST_ROWS} are run") == (
        problem.message,
        problem.advice,
    )


def test_a_capture_must_not_overwrite_a_column():
    """A server must not set what a row gives."""
    (problem,) = problems_in("name: x\nmatrix: {q: [a]}\nsteps:\n  - {expect: 250, capture: {q: text}}\n")
    assert "the capture 'q' would overwrite the column 'q' of the matrix" == problem.message


# Files.


def test_a_file_has_a_heading_and_rows(tmp_path):
    """RFC 4180: quotes, commas and line ends in them; empty lines don't count, a byte order mark neither."""
    text = '\ufeffuser,note\r\n"a, ""b""",\r\n\r\n"c\nd",${sender}\r\n'
    scenario, problems = table(tmp_path, text)
    assert [] == problems
    assert [{"user": 'a, "b"', "note": ""}, {"user": "c\nd", "note": "${sender}"}] == texts(scenario)
    assert [("sub/users.csv", 2), ("sub/users.csv", 4)] == [
        (row.span.source.name, row.span.line) for row in scenario.rows
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: an empty file"),
        ("user,note\n", "1:1: no row under the heading"),
        ("user,note\na,b\nc\n", "3:1: a row of 1 value"),
        ('user,note\n"a\nb",c\nd,e,f\n', "4:1: a row of 3 values"),
        ("user,user\na,b\n", "1:1: 'user' has the name of a column before it"),
        ("user,\na,b\n", "1:1: '' has no name"),
        ("user;note\na;b\n", "1:1: 'user;note' is no name for a column"),
        ('user,note\n"a,b\n', "2:1: no comma-separated values: unexpected end of data"),
        ('user,note\n"a"b,c\n', "2:1: no comma-separated values: ',' expected after '\"'"),
        ("user,note\na,${b\n", "2:1: '${' without its '}'"),
        (b"user,note\na,\xff\n", "2:3: not UTF-8: byte 0xff"),
        ("user\n" + "x\n" * (MOST_ROWS + 1), f"{MOST_ROWS + 2}:1: more than {MOST_ROWS} rows"),
        ("user\n" + "x" * 1024**2, "1:1: cannot be read: it is larger than 1024 KiB"),
        ("user\n" + "x" * 200_000, "2:1: no comma-separated values: field larger than field limit (131072)"),
    ],
    ids="empty heading-only short long duplicate unnamed semicolons open quote template utf8 rows size field".split(),
)
def test_a_wrong_file_is_told_at_its_line(tmp_path, text, expected):
    """With the file's name as seen from where the scenario's is."""
    scenario, problems = table(tmp_path, text)
    assert scenario is None
    assert problems[0].startswith(f"sub/users.csv:{expected}")


def test_a_file_that_is_wrong_throughout_says_so_a_few_times(tmp_path):
    """Not once a line."""
    _, problems = table(tmp_path, "user,note\n" + "x\n" * 5000)
    assert MOST_PROBLEMS == len(problems)


@pytest.mark.parametrize(
    "text",
    [
        f"user,password\nalice,{PASSWORD},x\n",
        f"alice,{PASSWORD}\nbob,x\n",
        f"user,{PASSWORD} x\nbob,x\n",
        f"user,{PASSWORD},{PASSWORD}\nbob,x,y\n",
        f'user,password\nalice,"{PASSWORD}\n',
        f"user,password\n${{alice,{PASSWORD}\n",
        f"user,password\n{PASSWORD},\xff\n".encode("latin-1"),
    ],
    ids=["ragged", "no heading", "bad heading", "twice", "open quote", "template", "not UTF-8"],
)
def test_no_error_shows_a_line_with_a_secret(tmp_path, text):
    """Also where the heading was forgotten, and a value stands in its place."""
    scenario, problems = table(tmp_path, text, ", secrets: [password]")
    assert scenario is None
    assert PASSWORD not in "\n".join(problems)


def test_a_secret_column_must_be_there(tmp_path):
    """Else what was meant to be hidden would be shown."""
    _, problems = table(tmp_path, "user,pasword\na,b\n", ", secrets: [password]")
    assert problems[0].startswith("sub/x.yaml:2:37: 'sub/users.csv' has no column 'password'")


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_file_makes_it_fall(tmp_path_factory, data):
    """Any bytes are rows or located problems."""
    scenario, problems = table(tmp_path_factory.mktemp("m"), data, steps="steps:\n  - expect: 250\n")
    assert (scenario is None) == bool(problems)


# Cases.


def test_a_row_gives_the_values_of_its_case():
    """Before --var and the scenario's own, and it may be made of the others."""
    scenario = compiled(
        "name: x\nvars: {user: nobody, host: h.example}\n"
        "matrix: [{user: 'a@${host}', who: '${user | upper}'}, {user: '${given}', who: x}]\n"
        "steps:\n  - send: NOOP ${user} ${who}\n"
    )
    found = cases(scenario, Given(variables={"user": "line", "given": "${x}"}))
    assert [("a@h.example", "A@H.EXAMPLE"), ("${x}", "x")] == [
        (case.values["user"].text, case.values["who"].text) for case in found
    ]


def test_what_a_row_lacks_is_told_where_it_is_written():
    """An unknown name, a circle; the columns are among the names that come near."""
    scenario = compiled("name: x\nmatrix: [{user: '${usr}'}, {user: '${user}'}]\n" + STEPS)
    first, second = cases(scenario)
    assert first.startswith("x.yaml:2:18: unknown placeholder '${usr}'")
    assert first.endswith("did you mean 'user'?")
    assert second.startswith("x.yaml:2:36: the variables go in a circle: user → user")


def test_a_row_is_told_by_what_may_be_shown(tmp_path):
    """Secrets are left out, by column or by what a value was made of; a value with blanks is quoted."""
    scenario = compiled(
        "name: x\nsecrets: [key]\nmatrix: [{user: a b, eod: '\\n.\\n', none: '', mac: 'x${key}', key: k123}]\n" + STEPS
    )
    (case,) = cases(scenario)
    assert r"user='a b' eod=\n.\n none=''" == case.row
    found, _ = table(tmp_path, USERS, ", secrets: [password]")
    assert ["user=alice from=a@example.com", "user=bob from=b@example.com"] == [one.row for one in cases(found)]


@pytest.mark.parametrize("secret", ["alice-and-bob", "long-secret-" * 9], ids=["whole", "cut"])
def test_a_secret_in_another_column_is_not_shown(tmp_path, secret):
    """What a secret column holds is masked where another one holds it, too, before that is cut."""
    scenario, _ = table(tmp_path, f"user,password\nX{secret},{secret}\n", ", secrets: [password]")
    assert ["user=X⟨password⟩"] == [case.row for case in cases(scenario)]


def test_a_long_row_is_cut():
    """It stands behind a scenario's name."""
    scenario = compiled(
        f"name: x\nmatrix: [{{user: {'u' * 99}, {', '.join(f'c{n}: {n * 11}' for n in range(40))}}}]\n" + STEPS
    )
    (case,) = cases(scenario)
    assert case.row.startswith(f"user={'u' * 39}… c0=0 c1=11 ")
    assert (160, "…") == (len(case.row), case.row[-1])


def test_a_secret_column_is_a_secret_and_taken_as_it_stands(tmp_path):
    """It is in no repr and in no label, and is not parsed; who masks errors gets it."""
    text = USERS.replace(PASSWORD, "p${x}{{y}}")
    scenario, problems = table(tmp_path, text, ", secrets: [password]")
    assert [] == problems
    first, second = cases(scenario)
    assert ({"password": "p${x}{{y}}"}, {"password": "p${x}{{y}}2"}) == (first.secrets, second.secrets)
    assert "p${x}" not in f"{first!r}{first.row}{first.id}{scenario!r}"
    assert ["p${x}{{y}}", "p${x}{{y}}2"] == list(secret_values([scenario]))


def test_a_secret_of_a_row_comes_before_one_from_elsewhere(tmp_path):
    """As any value of a row."""
    scenario, _ = table(tmp_path, USERS, ", secrets: [password]", STEPS.replace("user", "password"))
    given_values = Given(secrets={"password": SecretRef("env", "P")}, secret=lambda _: "outer-secret")
    assert PASSWORD == cases(scenario, given_values)[0].values["password"].text


def test_a_skipped_row_is_told_too():
    """Its report must say which it is; what it would want does not count."""
    scenario = compiled("name: x\nrequires: {var: external}\nmatrix: [{user: a, none: '${none}'}]\n" + STEPS)
    assert [Skip("requires the variable 'external'", "user=a")] == cases(scenario)


def test_a_row_may_give_what_the_scenario_requires():
    """`requires: {var: …}` is judged with it."""
    scenario = compiled("name: x\nrequires: {var: user}\nmatrix: {user: [a, '']}\n" + STEPS)
    found = cases(scenario)
    assert [Case, Skip] == [type(one) for one in found]


def test_a_case_with_a_row_travels(tmp_path):
    """It may be played in another process."""
    scenario, _ = table(tmp_path, USERS, ", secrets: [password]")
    case = cases(scenario)[0]
    again = pickle.loads(pickle.dumps(case))
    assert (case.values, case.row, case.scenario.rows[0].values) == (
        again.values,
        again.row,
        again.scenario.rows[0].values,
    )
