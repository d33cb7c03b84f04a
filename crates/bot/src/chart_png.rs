//! From SVG to PNG, with fonts of our own: there are none where the program runs.
//! It must not know what is drawn.

use resvg::{tiny_skia, usvg};
use std::sync::{Arc, OnceLock};

/// Inter, cut down to what is written on a picture; its licence lies beside it.
const FONTS: [&[u8]; 2] =
    [include_bytes!("../fonts/Inter-Regular.ttf"), include_bytes!("../fonts/Inter-Semibold.ttf")];

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// The drawing is none.
    #[error("the drawing cannot be read: {0}")]
    Drawing(#[from] usvg::Error),
    /// No pixels.
    #[error("no room for the picture")]
    Room,
    /// It cannot be written as PNG.
    #[error("the picture cannot be written: {0}")]
    Encoding(String),
}

/// Makes pixels of a drawing.
pub(crate) fn png(svg: &str) -> Result<Vec<u8>, PictureError> {
    let options =
        usvg::Options { fontdb: fonts(), font_family: "Inter".to_owned(), ..usvg::Options::default() };
    let tree = usvg::Tree::from_str(svg, &options)?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or(PictureError::Room)?;
    resvg::render(&tree, tiny_skia::Transform::identity(), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| PictureError::Encoding(error.to_string()))
}

fn fonts() -> Arc<usvg::fontdb::Database> {
    static ONCE: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let mut fonts = usvg::fontdb::Database::new();
        for font in FONTS {
            fonts.load_font_data(font.to_vec());
        }
        Arc::new(fonts)
    })
    .clone()
}
