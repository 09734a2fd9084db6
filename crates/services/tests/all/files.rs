use std::os::unix::fs::{MetadataExt, symlink};

use bytes::Bytes;
use futures_util::TryStreamExt;
use longshore_clock::Door;
use longshore_services::{Files, FilesError, GENERATED_PDFS};

use crate::support::Room;

async fn saved(room: &Room, text: &'static str) -> String {
    let bytes = Bytes::from_static(text.as_bytes());
    room.files.save(GENERATED_PDFS, "job-1", "a.pdf", "application/pdf", bytes, || true).await.unwrap().path
}

async fn text(room: &Room, path: &str, range: Option<std::ops::Range<u64>>) -> Result<String, FilesError> {
    let (_, stream) = room.files.read(path, range).await?;
    Ok(String::from_utf8(stream.try_collect::<Vec<_>>().await?.concat()).unwrap())
}

#[tokio::test]
async fn files_are_for_this_user_alone_and_whole() {
    let room = Room::new();
    let path = saved(&room, "first").await;
    assert_eq!(saved(&room, "second").await, path);
    assert_eq!(text(&room, &path, None).await.unwrap(), "second");
    assert_eq!(room.produced().len(), 1);
    let root = room.dir.path().join("files");
    let mut place = root.join(&path);
    assert_eq!(place.metadata().unwrap().mode() & 0o7777, 0o600);
    while place.pop() && place.starts_with(&root) {
        assert_eq!(place.metadata().unwrap().mode() & 0o7777, 0o700, "{place:?}");
    }
}

#[tokio::test]
async fn ranges_are_cut_at_the_end() {
    let room = Room::new();
    let path = saved(&room, "0123456789").await;
    assert_eq!(text(&room, &path, Some(2..5)).await.unwrap(), "234");
    assert_eq!(text(&room, &path, Some(7..99)).await.unwrap(), "789");
    assert_eq!(text(&room, &path, Some(10..11)).await, Err(FilesError::Range { size: 10 }));
    assert_eq!(text(&room, &path, Some(5..5)).await, Err(FilesError::Range { size: 10 }));
}

#[tokio::test]
async fn only_paths_of_produced_files_are_read_or_deleted() {
    let room = Room::new();
    let path = saved(&room, "x").await;
    let folder = path.rsplit_once('/').unwrap().0;
    let root = room.dir.path().join("files");
    room.put("secret", "secret");
    symlink(room.dir.path().join("secret"), root.join(folder).join("link.pdf")).unwrap();
    symlink(room.dir.path(), root.join("generated_pdfs/2020")).unwrap();
    std::fs::create_dir_all(room.dir.path().join("01/02/job")).unwrap();
    room.put("01/02/job/secret", "secret");
    for wrong in [
        "../secret".to_owned(),
        "generated_pdfs/../../secret".to_owned(),
        "/etc/passwd".to_owned(),
        "secret".to_owned(),
        folder.to_owned(),
        format!("{folder}/../job-1/a.pdf"),
        format!("{folder}//a.pdf"),
        format!("{folder}/link.pdf"),
        "generated_pdfs/2020/01/02/job/secret".to_owned(),
    ] {
        assert!(matches!(text(&room, &wrong, None).await, Err(FilesError::BadPath(_))), "{wrong}");
        assert!(matches!(room.files.delete(&wrong).await, Err(FilesError::BadPath(_))), "{wrong}");
    }
    assert_eq!(text(&room, &format!("{folder}/b.pdf"), None).await, Err(FilesError::NotFound));
    for (job, name) in [("job", "../a"), ("job", ""), ("job", ".a"), ("", "a")] {
        let refused = room.files.save(GENERATED_PDFS, job, name, "x", Bytes::new(), || true).await;
        assert!(matches!(refused, Err(FilesError::BadPath(_))), "{job} {name}");
    }
    assert!(matches!(
        room.files.save("other", "j", "a", "x", Bytes::new(), || true).await,
        Err(FilesError::BadPath(_))
    ));
}

#[tokio::test]
async fn a_deleted_file_takes_its_empty_folders_along_and_stays_readable_where_it_is_open() {
    let room = Room::new();
    let path = saved(&room, "to the end").await;
    let (_, open) = room.files.read(&path, None).await.unwrap();
    assert_eq!(room.files.delete(&path).await, Ok(true));
    assert_eq!(room.files.delete(&path).await, Ok(false));
    assert_eq!(open.try_collect::<Vec<_>>().await.unwrap().concat(), b"to the end");
    let left: Vec<_> = std::fs::read_dir(room.dir.path().join("files/generated_pdfs")).unwrap().collect();
    assert!(left.is_empty());
}

#[tokio::test]
async fn ids_that_look_like_paths_stay_one_folder() {
    let room = Room::new();
    let record = room
        .files
        .save(GENERATED_PDFS, "../../up", "a.pdf", "application/pdf", Bytes::from_static(b"x"), || true)
        .await;
    let path = record.unwrap().path;
    assert!(path.ends_with("/%2E.%2F..%2Fup/a.pdf"), "{path}");
    assert_eq!(text(&room, &path, None).await.unwrap(), "x");
}

#[test]
fn a_root_that_cannot_be_used_is_told_at_once() {
    let refused = Files::open("s3://bucket/reports", Door::system()).unwrap_err();
    assert_eq!(refused, FilesError::Unsupported("s3".to_owned()));
    assert!(matches!(Files::open("/proc/version/x", Door::system()), Err(FilesError::Root(_))));
    assert!(matches!(Files::open("", Door::system()), Err(FilesError::Root(_))));
}

#[tokio::test]
async fn a_file_that_is_not_wanted_any_more_replaces_nothing() {
    let room = Room::new();
    let save = async |text: &'static str, wanted: fn() -> bool| {
        let bytes = Bytes::from_static(text.as_bytes());
        room.files.save(GENERATED_PDFS, "job-1", "a.pdf", "application/pdf", bytes, wanted).await
    };
    let first = save("first", || true).await.unwrap();
    assert!(matches!(save("second", || false).await, Err(FilesError::Unwanted)));
    let whole = room.dir.path().join("files").join(&first.path);
    let left: Vec<_> = std::fs::read_dir(whole.parent().unwrap()).unwrap().collect();
    assert_eq!((std::fs::read(&whole).unwrap(), left.len()), (b"first".to_vec(), 1));
}
