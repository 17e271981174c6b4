//! The API's description in the repository is the one that the code makes.

use std::path::PathBuf;

#[test]
fn the_description_in_the_repository_is_the_one_that_the_code_makes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let made = web::openapi() + "\n";
    if std::env::var_os("LEASEHOLD_REWRITE_OPENAPI").is_some() {
        std::fs::write(&path, &made).expect("docs can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/openapi.json is not what the code makes: LEASEHOLD_REWRITE_OPENAPI=1 cargo test -p leasehold-web --test \
         openapi writes it"
    );
}
