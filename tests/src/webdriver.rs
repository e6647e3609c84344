//! The real web view of the running app, driven through WebKit's own WebDriver.
//!
//! The app is started as always, with WebKit's inspector server on (`WEBKIT_INSPECTOR_SERVER`) and automation allowed
//! (`TAURI_WEBVIEW_AUTOMATION`); `WebKitWebDriver --target` then attaches to it.

use std::path::Path;
use std::time::Duration;

use thirtyfour::error::WebDriverError;
use thirtyfour::{By, Capabilities, WebDriver, WebElement};

use crate::app::App;
use crate::needs;
use crate::proc::{Tree, last_lines};
use crate::wait::{LATER, SOON, eventually};

/// A session with the window's page.
#[derive(Debug)]
pub struct WebView {
    driver: WebDriver,
    _server: Tree,
}

impl WebView {
    /// Attaches to the window of `app`.
    ///
    /// # Panics
    /// When the app was not started to be driven, or shows no page until the deadline.
    pub async fn attach(app: &App, deadline: Duration) -> Self {
        let inspector = app
            .inspector
            .expect("start the app with `.driven()` to drive its web view");
        let port = inspector + 1;
        let program = needs::find("WebKitWebDriver").expect("begin the test with `if !needs::web_view()`");
        let mut command = app.shared.command(&program);
        command
            .arg(format!("--port={port}"))
            .arg(format!("--target=127.0.0.1:{inspector}"));
        let server = Tree::spawn("WebKitWebDriver", command, &app.shared.log("webdriver.log"), false);
        // A session asked for before both listen hangs until its time-out.
        eventually(
            "the app's inspector and the WebDriver server to listen",
            deadline,
            async || {
                let missing = [("inspector", inspector), ("driver", port)]
                    .into_iter()
                    .find(|(_, port)| !listens(*port));
                missing.map_or(Ok(()), |(name, port)| {
                    Err(format!("no {name} on port {port}; app: {}", last_lines(&app.log())))
                })
            },
        )
        .await;
        let url = format!("http://127.0.0.1:{port}");
        let driver = eventually("a web view that can be driven", deadline, async || {
            let attempt = WebDriver::builder(&url, Capabilities::new())
                .request_timeout(SOON)
                .keep_alive(true);
            attempt.connect().await.map_err(|error| {
                format!(
                    "{error}\n    driver: {}\n    app: {}",
                    last_lines(&server.log()),
                    last_lines(&app.log())
                )
            })
        })
        .await;
        Self {
            driver,
            _server: server,
        }
    }

    /// The session, for whatever is not here.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// The row of a service: `role=row`, named by the service's id.
    ///
    /// # Panics
    /// When it is not there within 5 s.
    pub async fn row(&self, service: &str) -> WebElement {
        self.find(&named("row", service)).await
    }

    /// The toggle of a service: `role=switch`, named by the service's id.
    ///
    /// # Panics
    /// When it is not there within 5 s.
    pub async fn switch(&self, service: &str) -> WebElement {
        self.find(&named("switch", service)).await
    }

    /// Whether the toggle of a service is on.
    ///
    /// # Panics
    /// When it is not there within 5 s.
    pub async fn is_on(&self, service: &str) -> bool {
        let switch = self.switch(service).await;
        matches!(switch.attr("aria-checked").await, Ok(Some(value)) if value == "true")
            || matches!(switch.prop("checked").await, Ok(Some(value)) if value == "true")
    }

    /// Presses the toggle of a service.
    ///
    /// # Panics
    /// When it cannot be pressed.
    pub async fn toggle(&self, service: &str) {
        let switch = self.switch(service).await;
        switch
            .click()
            .await
            .unwrap_or_else(|error| panic!("cannot press the switch of {service}: {error}"));
    }

    /// Presses the first element that matches an XPath, once it is there and can be pressed.
    ///
    /// # Panics
    /// When it can't be pressed within the time that slow things have.
    pub async fn press(&self, xpath: &str) {
        eventually(&format!("{xpath} to be pressed"), LATER, async || {
            let element = self.driver.find(By::XPath(xpath)).await.map_err(short)?;
            element.click().await.map_err(short)
        })
        .await;
    }

    /// Opens the panel of a service from the catalog where its URL is.
    ///
    /// # Panics
    /// As [`Self::press`].
    pub async fn open_connect(&self, service: &str) {
        self.press(&format!("//button[@aria-label='Logs of {service}']")).await;
        self.press("//*[@role='tab'][normalize-space(.)='Connect']").await;
    }

    /// The first element that matches a CSS selector.
    ///
    /// # Panics
    /// When there is none within 5 s.
    pub async fn find(&self, css: &str) -> WebElement {
        eventually(&format!("{css} in the page"), SOON, async || {
            match self.driver.find(By::Css(css)).await {
                Ok(element) => Ok(element),
                Err(_) => Err(self.page_text().await),
            }
        })
        .await
    }

    /// Whether anything matches a CSS selector now.
    pub async fn has(&self, css: &str) -> bool {
        self.driver.find(By::Css(css)).await.is_ok()
    }

    /// Waits until the text of what matches `css` contains `text`, and answers with all of that text.
    ///
    /// # Panics
    /// When it does not at the deadline.
    pub async fn wait_for_text(&self, css: &str, text: &str, deadline: Duration) -> String {
        eventually(&format!("{text:?} in {css}"), deadline, async || {
            let element = self.driver.find(By::Css(css)).await.map_err(short)?;
            let found = element.text().await.map_err(short)?;
            if found.contains(text) {
                Ok(found)
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await
    }

    /// Waits until the row of a service says `text`, in whatever case it is styled.
    ///
    /// # Panics
    /// When it does not at the deadline.
    pub async fn wait_for_row(&self, service: &str, text: &str, deadline: Duration) -> String {
        let css = serde_json::to_string(&named("row", service)).unwrap();
        let wanted = text.to_lowercase();
        eventually(&format!("{text:?} in the row of {service}"), deadline, async || {
            let row = self
                .run(&format!(
                    "return document.querySelector({css})?.innerText ?? 'no such row'"
                ))
                .await;
            let found = row.as_str().unwrap_or_default().to_lowercase();
            if found.contains(&wanted) {
                Ok(found)
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await
    }

    /// Waits until an attribute has a value.
    ///
    /// # Panics
    /// When it has not at the deadline.
    pub async fn wait_for_attribute(&self, css: &str, attribute: &str, value: &str, deadline: Duration) {
        eventually(&format!("{attribute}={value:?} on {css}"), deadline, async || {
            let element = self.driver.find(By::Css(css)).await.map_err(short)?;
            let found = element.attr(attribute).await.map_err(short)?;
            if found.as_deref() == Some(value) {
                Ok(())
            } else {
                Err(format!("{found:?}"))
            }
        })
        .await;
    }

    /// Runs a function body in the page and answers with what it returns.
    ///
    /// # Panics
    /// When it throws.
    pub async fn run(&self, script: &str) -> serde_json::Value {
        let result = self.driver.execute(script, Vec::new()).await;
        result
            .unwrap_or_else(|error| panic!("{script}: {error}"))
            .json()
            .clone()
    }

    /// The page as a person reads it, or why there is none.
    pub async fn page_text(&self) -> String {
        match self
            .driver
            .execute("return document.body ? document.body.innerText : ''", Vec::new())
            .await
        {
            Ok(text) => text.json().as_str().unwrap_or_default().to_owned(),
            Err(error) => format!("no page: {error}"),
        }
    }

    /// Takes a picture of the page, without the window's frame.
    ///
    /// # Panics
    /// When that fails.
    pub async fn screenshot(&self, path: &Path) {
        self.driver
            .screenshot(path)
            .await
            .unwrap_or_else(|error| panic!("no screenshot of the page: {error}"));
    }

    /// What axe-core finds wrong with the page: rule, impact and where, one text each. Needs `npm ci` in `ui/`.
    ///
    /// # Panics
    /// When axe-core is not installed or does not run.
    pub async fn accessibility_violations(&self) -> Vec<String> {
        let path = crate::failure::workspace().join("ui/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{} ({error}): run `npm ci` in ui/", path.display()));
        self.run(&format!("{axe}; window.axe = window.axe || axe;")).await;
        let script = "const done = arguments[arguments.length - 1];\
            axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations.map(v =>\
            v.id + ' (' + v.impact + '): ' + v.help + ' at ' + v.nodes.map(n => n.target.join(' ')).join(', '))),\
            e => done(['axe failed: ' + e]));";
        let result = self.driver.execute_async(script, Vec::new()).await;
        let result = result.unwrap_or_else(|error| panic!("axe-core did not finish: {error}"));
        result
            .convert()
            .unwrap_or_else(|error| panic!("axe-core answered something else: {error}"))
    }
}

impl Drop for WebView {
    fn drop(&mut self) {
        // The session ends with its server. Ending it in order would block this thread, which runs the test's runtime
        // and with it the connection the request needs, until the request's time-out.
        let _ = self.driver.clone().leak();
    }
}

/// A CSS selector for what has this role and this accessible name.
pub fn named(role: &str, name: &str) -> String {
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    let native = match role {
        "row" => "tr",
        "button" => "button",
        _ => return format!("[role=\"{role}\"][aria-label=\"{name}\"]"),
    };
    format!("[role=\"{role}\"][aria-label=\"{name}\"], {native}[aria-label=\"{name}\"]")
}

/// Whether someone listens on a TCP port of this machine, told without connecting.
fn listens(port: u16) -> bool {
    const LISTEN: &str = "0A";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let address = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next().is_some_and(|local| local.ends_with(&address)) && words.nth(1) == Some(LISTEN)
    })
}

fn short(error: WebDriverError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
