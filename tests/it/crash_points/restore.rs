//! Kills `kmsignd restore` at its points, runs it again, lifts the freeze, and holds the restored store to the promises.

use super::*;

/// What is restored from, and where that is killed.
pub struct Restore {
    name: &'static str,
    /// `None`: the backup.
    source: Option<&'static str>,
    /// Whether wallets are copied to MongoDB, and whether it can be reached while the store is restored.
    mongodb: Option<bool>,
    pub points: &'static [(CrashPoint, u32)],
}

pub const RESTORES: &[Restore] = &[
    Restore {
        name: "restore from KMS",
        source: Some("kms"),
        mongodb: None,
        points: &[
            (RestoreBegun, 1),
            (BeforeGetResources, 1),
            (AfterGetResources, 1),
            (BeforeDescribeKey, 1),
            (AfterDescribeKey, 2),
            (AfterGetPublicKey, 1),
            (BeforeCommit, 2),
            (AfterCommit, 2),
            (RestorePageDurable, 1),
            (RestoreFinished, 1),
        ],
    },
    Restore {
        name: "restore from MongoDB",
        source: Some("mongodb"),
        mongodb: Some(true),
        points: &[
            (RestoreBegun, 1),
            (BeforeMongodbCommand, 1),
            (AfterMongodbCommand, 1),
            (AfterDescribeKey, 1),
            (AfterGetPublicKey, 2),
            (BeforeCommit, 2),
            (RestorePageDurable, 1),
            (RestoreFinished, 1),
        ],
    },
    Restore {
        name: "restore from a backup",
        source: None,
        mongodb: None,
        points: &[(BackupInPlace, 1), (RestoreBegun, 1), (RestoreFinished, 1)],
    },
    Restore {
        name: "restore from a backup while MongoDB is away",
        source: None,
        mongodb: Some(false),
        points: &[(VersionsRaised, 1)],
    },
];

pub fn cases() -> impl Iterator<Item = Case> {
    let of = |restore: &'static Restore| {
        restore.points.iter().map(move |(point, nth)| Case {
            name: format!("{}/{}:{nth}", restore.name, point.name()),
            mongodb: restore.mongodb.is_some(),
            run: Box::new(move || run(restore, *point, *nth)),
        })
    };
    RESTORES.iter().flat_map(of)
}

fn run(restore: &Restore, point: CrashPoint, nth: u32) {
    let mut scene = if restore.mongodb.is_some() { Scene::with_mongodb(restore.name).unwrap() } else { Scene::new() };
    scene.start();
    let (wallet, other) = (scene.settle(&creation("one")).unwrap(), scene.settle(&creation("other")).unwrap());
    // Answers and audit come back from a backup alone, and KMS shows no public key of a disabled key, which would be in quarantine.
    let kept = if restore.source.is_none() { vec![disabling(&other), signing(&wallet, 1)] } else { vec![] };
    kept.iter().for_each(|call| drop(scene.settle(call).unwrap()));
    scene.heal();
    scene.kill();
    let backup = scene.lose_store();
    if restore.mongodb == Some(false) {
        scene.mongodb().unwrap().proxy.set(proxy::Fault::new(proxy::Kind::Refuse));
    }
    let arguments = ["restore", "--from", restore.source.unwrap_or(&backup)];
    let ended = scene.run(&arguments, Some((point, nth)));
    assert_killed_at(&scene, ended, point);
    if point != RestoreFinished {
        assert!(scene.run(&arguments, None).success(), "{}", scene.log());
    }
    if let Some(mongodb) = scene.mongodb() {
        mongodb.proxy.heal();
    }
    scene.start();
    let frozen = scene.client().send(&signing(&wallet, 2)).unwrap().unwrap_err();
    assert_eq!(frozen["data"]["kind"], "FROZEN", "{frozen}");
    for freeze in scene.ok("admin_status", json!({}))["freezes"].as_array().unwrap() {
        scene.ok("admin_unfreeze", json!({ "freezeId": freeze["freezeId"], "reason": "a test", "requestId": "lift" }));
    }
    kept.iter().for_each(|call| drop(scene.settle(call).unwrap()));
    scene.heal();
    let figures = check_promises(&scene);
    assert_eq!(figures.wallets, 2);
}
