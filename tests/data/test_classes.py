import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_imas.data import ClassTable, read_class_table
from keras_imas.data.classes import unlisted_color


@pytest.fixture
def read(tmp_path):
    def read(text, **options):
        (tmp_path / "classes.csv").write_text(text, encoding="utf-8")
        return read_class_table(tmp_path / "classes.csv", **options)

    return read


@pytest.mark.parametrize(
    "text",
    [
        "name,id,r,g,b\nroad,0,128,64,128\ncar,1,0,0,142\nvoid,255,0,0,0\n",
        "id;name;r;g;b\n1;car;0;0;142\n255;void;0;0;0\n0;road;128;64;128\n",
        "\ufeffName, R, G, B, Id\n road, 128, 64, 128, 0\ncar,0,0,142,1\nx,0,0,0,255\n",
    ],
)
def test_colors(read, text):
    table = read(text)
    assert table.names == ("road", "car")
    assert table.colors == ((128, 64, 128), (0, 0, 142))
    assert table.mask_colors[(0, 0, 0)] == 255


def test_rows_are_the_ids_where_there_are_none(read):
    table = read("name,r,g,b\nsky,1,1,1\nroad,2,2,2\n")
    assert table.names == ("sky", "road") and table.grey
    assert table.mask_colors == {(1, 1, 1): 0, (2, 2, 2): 1}


def test_no_colors(read):
    table = read("id,name\n0,sky\n1,road\n")
    assert table == ClassTable(("sky", "road"))


def test_cells_beyond_the_columns_may_be_empty(read):
    assert read('id,name\n0,road,\n1,"car, parked"\n').names == ("road", "car, parked")


def test_several_colors_of_one_class(read):
    text = "name,id,r,g,b\ncar,0,1,0,0\ntruck,0,2,0,0\nsky,1,3,0,0\n"
    table = read(text)
    assert table.names == ("car", "sky") and table.colors == ((1, 0, 0), (3, 0, 0))
    assert table.mask_colors[(2, 0, 0)] == 0


def test_a_table_that_is_not_in_utf_8(tmp_path):
    (tmp_path / "classes.csv").write_bytes("name,id\nFußgänger,0\n".encode("latin1"))
    with pytest.raises(ValueError, match=r"classes\.csv' is not a text file in UTF-8"):
        read_class_table(tmp_path / "classes.csv")
    content = "name,id\nFußgänger,0\n".encode("utf-16")
    (tmp_path / "classes.csv").write_bytes(content)
    assert read_class_table(tmp_path / "classes.csv").names == ("Fußgänger",)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "must name the columns"),
        ("road,0,128,64,128\n", "must name the columns"),
        ("name,id,r,g\nroad,0,1,2\n", "must name the columns"),
        ("name,id\nroad,one\n", "line 2: id must be a whole number.*'one'"),
        ("name,r,g,b\na,0,0,0\nb,0,0,256\n", "line 3: b must .* 0 to 255.*'256'"),
        ("name,id,r,g,b\na,0,5,5,5\nb,1,5,5,5\n", "line 3: color .5, 5, 5. stands for"),
        ("name,id\nroad,0\ncar,2\n", r"without a gap.*\[0, 2\]"),
        ("name,id\n", "without a gap"),
        ("name,id\nroad,0\n" + "a" * 200_000, "line 3, is not valid CSV: field larger"),
        ("name,clas_id\nroad,1\n", "unknown column 'clas_id'. It may have: name, id"),
        ("name,id,names\nroad,0,x\n", "'names'; did you mean 'name'"),
        ("name,id,name\nroad,0,x\n", "name each column once.*'name'"),
        ("id,name\n0,road\n1,car, parked\n", "line 3, has more cells .*'parked'"),
        ("name,id\n,0\n", "line 2: the class has no name"),
        ("name,id\nroad,0\nroad,1\n", "two ids the same name: 'road'"),
    ],
)
def test_what_cannot_be(read, text, match):
    with pytest.raises(ValueError, match=match):
        read(text)


@given(st.data())
def test_ids_of_colors(data):
    color = st.tuples(*[st.integers(0, 255)] * 3)
    colors = data.draw(st.lists(color, min_size=1, max_size=8, unique=True))
    table = ClassTable(("a",), None, {c: i for i, c in enumerate(colors)})
    pixels = data.draw(st.lists(color | st.sampled_from(colors), min_size=1))
    for pixel, class_id in zip(
        pixels, table.ids(np.array(pixels, "uint8")).tolist(), strict=True
    ):
        if class_id >= 0:
            assert colors[class_id] == pixel
        else:
            assert pixel not in colors and unlisted_color(class_id) == pixel
